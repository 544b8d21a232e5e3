import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, HTTPException, Request

DATABASE = os.environ["DATABASE_URL"]


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(DATABASE, min_size=1, max_size=1) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    try:
        async with request.app.state.pool.acquire(timeout=0.01) as connection:
            price = await connection.fetchval("SELECT price_of($1)", token)
    except TimeoutError:
        raise HTTPException(503, "every connection is taken") from None
    return {"item": token, "price": price}
