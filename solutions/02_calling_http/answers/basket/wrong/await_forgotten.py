import asyncio
import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/baskets/{token}")
async def basket(token: str):
    replies = asyncio.gather(*(client.get(f"{UPSTREAM}/items/{token}-{i}") for i in (1, 2)))
    return {"basket": token, "total": sum(reply.json()["price"] for reply in replies)}
