import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request

DATABASE = os.environ["DATABASE_URL"]


@asynccontextmanager
async def lifespan(app):
    async with (
        asyncpg.create_pool(DATABASE, min_size=1, max_size=2) as reporting,
        asyncpg.create_pool(DATABASE, min_size=1, max_size=18) as serving,
    ):
        app.state.reporting = reporting
        app.state.serving = serving
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    price = await request.app.state.serving.fetchval("SELECT price_of($1)", token)
    return {"item": token, "price": price}
