import asyncio
import os
from contextlib import closing

import psycopg2
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]


def price_of(token):
    with closing(psycopg2.connect(DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT price_of(%s)", [token])
        return cursor.fetchone()[0]


app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    return {"item": token, "price": await asyncio.to_thread(price_of, token)}
