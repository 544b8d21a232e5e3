import os

import psycopg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    async with await psycopg.AsyncConnection.connect(DATABASE) as connection:
        cursor = await connection.execute("SELECT price_of(%s)", [token])
        (price,) = await cursor.fetchone()
    return {"item": token, "price": price}
