import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=20) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{token}")
async def item(token: str, request: Request):
    if await request.app.state.pool.fetchval("SELECT price_of($1)", token) is None:
        return {"item": token, "price": None}
    return {"item": token, "price": await request.app.state.pool.fetchval("SELECT price_of($1)", token)}
