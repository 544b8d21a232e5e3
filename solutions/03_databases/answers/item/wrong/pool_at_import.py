import asyncio
import os

import asyncpg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]


async def open_pool():
    return await asyncpg.create_pool(DATABASE)


pool = asyncio.run(open_pool())
app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    return {"item": token, "price": await pool.fetchval("SELECT price_of($1)", token)}
