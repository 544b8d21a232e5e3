import asyncio
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import Depends, FastAPI, Request

DATABASE = os.environ["DATABASE_URL"]


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(DATABASE, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


async def borrowed(request: Request):
    async with request.app.state.pool.acquire() as connection:
        yield connection


@app.get("/reservations/{token}")
async def reservation(token: str, patience: float, connection=Depends(borrowed)):
    try:
        price = await asyncio.wait_for(connection.fetchval("SELECT price_of($1)", token), patience)
    except TimeoutError:
        return {"item": token, "late": True}
    return {"item": token, "price": price}
