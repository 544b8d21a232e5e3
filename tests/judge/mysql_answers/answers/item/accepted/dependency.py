import os
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import urlsplit

import aiomysql
from fastapi import Depends, FastAPI, Request

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


async def cursor_of(request: Request):
    async with request.app.state.pool.acquire() as connection, connection.cursor() as cursor:
        yield cursor


@app.get("/items/{token}")
async def item(token: str, cursor: Annotated[aiomysql.Cursor, Depends(cursor_of)]):
    await cursor.execute("SELECT price_of(%s)", [token])
    (price,) = await cursor.fetchone()
    return {"item": token, "price": price}
