import os

import psycopg
from fastapi import FastAPI

connection = psycopg.connect(os.environ["DATABASE_URL"])
app = FastAPI()


@app.get("/items/{token}")
def item(token: str):
    price = connection.execute("SELECT price_of(%s)", [token]).fetchone()[0]
    return {"item": token, "price": price}
