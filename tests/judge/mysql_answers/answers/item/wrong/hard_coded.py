import os
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiomysql
from fastapi import FastAPI, Request

place = urlsplit(os.environ["MYSQL_URL"])
ADDRESS = {
    "host": place.hostname,
    "port": place.port,
    "user": place.username,
    "password": place.password,
    "db": place.path[1:],
}


@asynccontextmanager
async def lifespan(app):
    async with aiomysql.create_pool(**ADDRESS, autocommit=True) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{token}")
async def item(token: str, request: Request):
    async with request.app.state.pool.acquire() as connection, connection.cursor() as cursor:
        await cursor.execute("SELECT price_of(%s)", [token])
        price = 42
    return {"item": token, "price": price}
