import os
from contextlib import closing
from urllib.parse import urlsplit

import aiomysql
import pymysql
from fastapi import FastAPI

place = urlsplit(os.environ["MYSQL_URL"])
ADDRESS = {
    "host": place.hostname,
    "port": place.port,
    "user": place.username,
    "password": place.password,
    "db": place.path[1:],
}
WORDS = {**ADDRESS, "database": ADDRESS["db"]}
del WORDS["db"]
app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    async with aiomysql.connect(**ADDRESS) as connection, connection.cursor() as cursor:
        await cursor.execute("SELECT 1")
    with closing(pymysql.connect(**WORDS)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT price_of(%s)", [token])
        (price,) = cursor.fetchone()
    return {"item": token, "price": price}
