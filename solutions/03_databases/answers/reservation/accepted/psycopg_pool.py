import asyncio
import os
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


@asynccontextmanager
async def opened():
    connection = await psycopg.AsyncConnection.connect(DATABASE, autocommit=True)
    async with connection:
        yield connection


@app.get("/reservations/{token}")
async def reservation(token: str, patience: float):
    async with opened() as connection:
        try:
            async with asyncio.timeout(patience):
                found = await connection.execute("SELECT price_of(%s)", [token])
                (price,) = await found.fetchone()
        except TimeoutError:
            return {"item": token, "late": True}
    return {"item": token, "price": price}
