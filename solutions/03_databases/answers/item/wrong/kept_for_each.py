import os
from functools import lru_cache
from contextlib import closing

import psycopg2
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


@app.get("/items/{token}")
@lru_cache(maxsize=10_000)
def item(token: str):
    with closing(psycopg2.connect(DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT price_of(%s)", [token])
        price = cursor.fetchone()[0]
    return {"item": token, "price": price}
