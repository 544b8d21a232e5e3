import os

import anyio
import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/baskets/{token}")
async def basket(token: str):
    prices = []

    async def fetch(item):
        prices.append((await client.get(f"{UPSTREAM}/items/{item}")).json()["price"])

    async with anyio.create_task_group() as group:
        group.start_soon(fetch, f"{token}-1")
        group.start_soon(fetch, f"{token}-2")
    return {"basket": token, "total": sum(prices)}
