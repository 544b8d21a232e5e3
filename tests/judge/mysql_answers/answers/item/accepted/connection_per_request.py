import os
from urllib.parse import urlsplit

import aiomysql
from fastapi import FastAPI

place = urlsplit(os.environ["MYSQL_URL"])
ADDRESS = {
    "host": place.hostname,
    "port": place.port,
    "user": place.username,
    "password": place.password,
    "db": place.path[1:],
}
app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    async with aiomysql.connect(**ADDRESS) as connection, connection.cursor() as cursor:
        await cursor.execute("SELECT price_of(%s)", [token])
        (price,) = await cursor.fetchone()
    return {"item": token, "price": price}
