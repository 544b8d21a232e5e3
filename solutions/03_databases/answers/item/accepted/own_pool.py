import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import psycopg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]


def price_of(token):
    with psycopg.connect(DATABASE) as connection:
        return connection.execute("SELECT price_of(%s)", [token]).fetchone()[0]


pool = ThreadPoolExecutor(max_workers=16)
app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    loop = asyncio.get_running_loop()
    return {"item": token, "price": await loop.run_in_executor(pool, price_of, token)}
