import os

import psycopg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    with psycopg.connect(DATABASE) as connection:
        price = connection.execute("SELECT price_of(%s)", [token]).fetchone()[0]
    return {"item": token, "price": price}
