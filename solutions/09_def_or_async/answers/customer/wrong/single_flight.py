import asyncio
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(DATABASE, min_size=5, max_size=40) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)
under_way = {}


@app.get("/customers/{token}")
async def customer(token: str):
    if token not in under_way:
        query = app.state.pool.fetchval("SELECT price_of($1)", token)
        under_way[token] = asyncio.ensure_future(query)
        under_way[token].add_done_callback(lambda _: under_way.pop(token))
    return {"customer": token, "credit": await asyncio.shield(under_way[token])}
