import asyncio
import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


async def fetch(item):
    return requests.get(f"{UPSTREAM}/items/{item}", timeout=30)


app = FastAPI()


@app.get("/baskets/{token}")
async def basket(token: str):
    replies = await asyncio.gather(fetch(f"{token}-1"), fetch(f"{token}-2"))
    return {"basket": token, "total": sum(reply.json()["price"] for reply in replies)}
