import asyncio
import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)
places = asyncio.Semaphore(50)


@app.get("/baskets/{token}")
async def basket(token: str):
    async def fetch(item):
        async with places:
            return await client.get(f"{UPSTREAM}/items/{item}")

    replies = await asyncio.gather(*(fetch(f"{token}-{i}") for i in (1, 2)))
    return {"basket": token, "total": sum(reply.json()["price"] for reply in replies)}
