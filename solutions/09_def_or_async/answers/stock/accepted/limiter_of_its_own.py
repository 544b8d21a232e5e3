import os

import anyio
import httpx
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
client = httpx.Client(timeout=60)
places = anyio.CapacityLimiter(80)
app = FastAPI()


def stock_of(token):
    return client.get(f"{SUPPLIER}/items/{token}").json()["price"]


@app.get("/stock/{token}")
async def stock(token: str):
    return {"item": token, "stock": await anyio.to_thread.run_sync(stock_of, token, limiter=places)}
