import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import httpx
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
client = httpx.Client(timeout=60)
pool = ThreadPoolExecutor(80)
app = FastAPI()


def stock_of(token):
    return client.get(f"{SUPPLIER}/items/{token}").json()["price"]


@app.get("/stock/{token}")
async def stock(token: str):
    left = await asyncio.get_running_loop().run_in_executor(pool, stock_of, token)
    return {"item": token, "stock": left}
