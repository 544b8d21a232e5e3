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


@app.get("/customers/{token}")
async def customer(token: str):
    credit = await app.state.pool.fetchval("SELECT price_of($1)", token)
    return {"customer": token, "credit": credit}
