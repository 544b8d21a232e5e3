import os

import httpx
import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/baskets/{token}")
async def basket(token: str):
    first = requests.get(f"{UPSTREAM}/items/{token}-1", timeout=30)
    second = await client.get(f"{UPSTREAM}/items/{token}-2")
    replies = [first, second]
    return {"basket": token, "total": sum(reply.json()["price"] for reply in replies)}
