import asyncio
import os

from fastapi import FastAPI
from psycopg2.pool import SimpleConnectionPool

pool = SimpleConnectionPool(1, 1, os.environ["DATABASE_URL"])


def price_of(token):
    connection = pool.getconn()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT price_of(%s)", [token])
            return cursor.fetchone()[0]
    finally:
        pool.putconn(connection)


app = FastAPI()


@app.get("/stock/{token}")
async def stock(token: str):
    return {"item": token, "price": await asyncio.to_thread(price_of, token)}
