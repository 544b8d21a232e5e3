import os
from contextlib import closing

import psycopg2
from fastapi import Depends, FastAPI

DATABASE = os.environ["DATABASE_URL"]


def get_connection():
    with closing(psycopg2.connect(DATABASE)) as connection:
        yield connection


app = FastAPI()


@app.get("/items/{token}")
async def item(token: str, connection=Depends(get_connection)):
    with connection.cursor() as cursor:
        cursor.execute("SELECT price_of(%s)", [token])
        price = cursor.fetchone()[0]
    return {"item": token, "price": price}
