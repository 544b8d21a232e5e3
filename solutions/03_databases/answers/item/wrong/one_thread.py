import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]


def price_of(token):
    with closing(psycopg2.connect(DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT price_of(%s)", [token])
        return cursor.fetchone()[0]


pool = ThreadPoolExecutor(max_workers=1)
app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    loop = asyncio.get_running_loop()
    return {"item": token, "price": await loop.run_in_executor(pool, price_of, token)}
