import asyncio
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request

DATABASE = os.environ["DATABASE_URL"]


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(DATABASE, max_size=10) as pool, pool.acquire() as connection:
        app.state.connection = connection
        yield


app = FastAPI(lifespan=lifespan)
lock = asyncio.Lock()


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    async with lock:
        price = await request.app.state.connection.fetchval("SELECT price_of($1)", token)
    return {"item": token, "price": price}
