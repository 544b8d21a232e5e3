import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import Depends, FastAPI, Request

DATABASE = os.environ["DATABASE_URL"]


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(DATABASE) as pool:
        app.state.pool = pool
        yield


async def get_connection(request: Request):
    async with request.app.state.pool.acquire() as connection:
        yield connection


app = FastAPI(lifespan=lifespan)


@app.get("/items/{token}")
async def item(token: str, connection=Depends(get_connection)):
    price = await connection.fetchval("SELECT price_of($1)", token)
    return {"item": token, "price": price}
