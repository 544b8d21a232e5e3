import os
from contextlib import closing

import psycopg2
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]


async def query(statement, values):
    with closing(psycopg2.connect(DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()


async def price_of(token):
    (price,) = await query("SELECT price_of(%s)", [token])
    return price


app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    return {"item": token, "price": await price_of(token)}
