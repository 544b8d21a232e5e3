import asyncio
import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)


async def price(item):
    reply = await client.get(f"{UPSTREAM}/items/{item}")
    return reply.json()["price"]


@app.get("/baskets/{token}")
async def basket(token: str):
    prices = await asyncio.gather([price(f"{token}-{i}") for i in (1, 2)])
    return {"basket": token, "total": sum(prices)}
