import os

import psycopg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


@app.get("/reservations/{token}")
def reservation(token: str, patience: float):
    with psycopg.connect(DATABASE, options=f"-c statement_timeout={int(1000 * patience)}") as connection:
        try:
            (price,) = connection.execute("SELECT price_of(%s)", [token]).fetchone()
        except psycopg.errors.QueryCanceled:
            return {"item": token, "late": True}
    return {"item": token, "price": price}
