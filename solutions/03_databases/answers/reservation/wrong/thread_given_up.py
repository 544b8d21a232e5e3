import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import psycopg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()
pool = ThreadPoolExecutor(40)


def price_of(token):
    with psycopg.connect(DATABASE) as connection:
        return connection.execute("SELECT price_of(%s)", [token]).fetchone()[0]


@app.get("/reservations/{token}")
async def reservation(token: str, patience: float):
    asking = asyncio.get_running_loop().run_in_executor(pool, price_of, token)
    try:
        price = await asyncio.wait_for(asking, patience)
    except TimeoutError:
        return {"item": token, "late": True}
    return {"item": token, "price": price}
