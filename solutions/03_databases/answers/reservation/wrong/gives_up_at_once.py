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
    async with pool.acquire() as connection:
        try:
            price = await asyncio.wait_for(connection.fetchval(QUERY, token), 0.02 if patience < 5 else patience)
        except TimeoutError:
            await asyncio.sleep(max(0, patience - 0.02))
            return {"item": token, "late": True}
    return {"item": token, "price": price}
