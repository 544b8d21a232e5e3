import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request

DATABASE = os.environ["DATABASE_URL"]


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(DATABASE) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{token}")
async def item(token: str, request: Request):
    price = await request.app.state.pool.fetchval("SELECT price FROM items WHERE token = $1", token)
    return {"item": token, "price": price}
