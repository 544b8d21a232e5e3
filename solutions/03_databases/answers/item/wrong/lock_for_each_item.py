import asyncio
import os
from collections import defaultdict
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request

locks = defaultdict(asyncio.Lock)


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{token}")
async def item(token: str, request: Request):
    async with locks[token]:
        price = await request.app.state.pool.fetchval("SELECT price_of($1)", token)
    return {"item": token, "price": price}
