import asyncio
import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/baskets/{token}")
async def basket(token: str):
    urls = [f"{UPSTREAM}/items/{token}-{i}" for i in (1, 2)]
    replies = await asyncio.gather(*(asyncio.to_thread(requests.get, url, timeout=30) for url in urls))
    return {"basket": token, "total": sum(reply.json()["price"] for reply in replies)}
