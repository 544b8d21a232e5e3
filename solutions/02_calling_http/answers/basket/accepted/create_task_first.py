import asyncio
import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/baskets/{token}")
async def basket(token: str):
    first = asyncio.create_task(client.get(f"{UPSTREAM}/items/{token}-1"))
    second = await client.get(f"{UPSTREAM}/items/{token}-2")
    return {"basket": token, "total": (await first).json()["price"] + second.json()["price"]}
