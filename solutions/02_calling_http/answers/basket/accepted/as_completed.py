import asyncio
import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/baskets/{token}")
async def basket(token: str):
    total = 0
    for reply in asyncio.as_completed([client.get(f"{UPSTREAM}/items/{token}-{i}") for i in (1, 2)]):
        total += (await reply).json()["price"]
    return {"basket": token, "total": total}
