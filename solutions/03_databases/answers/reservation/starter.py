import asyncio
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request

DATABASE = os.environ["DATABASE_URL"]
QUERY = "SELECT price_of($1)"


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(DATABASE, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/reservations/{token}")
async def reservation(token: str, patience: float, request: Request):
    pool = request.app.state.pool
    connection = await pool.acquire()
    try:
        price = await asyncio.wait_for(connection.fetchval(QUERY, token), patience)
    except TimeoutError:
        return {"item": token, "late": True}
    await pool.release(connection)
    return {"item": token, "price": price}
