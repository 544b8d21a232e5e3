import os

import httpx
import psycopg
from fastapi import FastAPI

DATABASE, SUPPLIER = os.environ["DATABASE_URL"], os.environ["UPSTREAM_URL"]
QUERY = "SELECT price_of(%s)"

app = FastAPI()
client = httpx.Client(timeout=30)


@app.get("/purchases/{token}")
def purchase(token: str):
    with psycopg.connect(DATABASE) as connection:
        (price,) = connection.execute(QUERY, [token]).fetchone()
    offer = client.get(f"{SUPPLIER}/items/{token}").json()["price"]
    return {"item": token, "price": price, "offer": offer}
