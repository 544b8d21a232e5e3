import itertools
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request

DATABASE = os.environ["DATABASE_URL"]


@asynccontextmanager
async def lifespan(app):
    async with (
        asyncpg.create_pool(DATABASE, min_size=1, max_size=1) as first,
        asyncpg.create_pool(DATABASE, min_size=1, max_size=1) as second,
    ):
        app.state.pools = itertools.cycle([first, second])
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    price = await next(request.app.state.pools).fetchval("SELECT price_of($1)", token)
    return {"item": token, "price": price}
