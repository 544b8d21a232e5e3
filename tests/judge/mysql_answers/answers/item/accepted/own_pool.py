import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pymysql
from fastapi import FastAPI

place = urlsplit(os.environ["MYSQL_URL"])
ADDRESS = {
    "host": place.hostname,
    "port": place.port,
    "user": place.username,
    "password": place.password,
    "database": place.path[1:],
}
app = FastAPI()
pool = ThreadPoolExecutor(20)


def price_of(token):
    with closing(pymysql.connect(**ADDRESS)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT price_of(%s)", [token])
        return cursor.fetchone()[0]


@app.get("/items/{token}")
async def item(token: str):
    return {"item": token, "price": await asyncio.get_running_loop().run_in_executor(pool, price_of, token)}
