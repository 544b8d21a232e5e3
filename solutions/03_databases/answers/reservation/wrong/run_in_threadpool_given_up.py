import asyncio
import os

import psycopg
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


def price_of(token):
    with psycopg.connect(DATABASE) as connection:
        return connection.execute("SELECT price_of(%s)", [token]).fetchone()[0]


@app.get("/reservations/{token}")
async def reservation(token: str, patience: float):
    try:
        price = await asyncio.wait_for(run_in_threadpool(price_of, token), patience)
    except TimeoutError:
        return {"item": token, "late": True}
    return {"item": token, "price": price}
