import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/baskets/{token}")
async def basket(token: str):
    reply = await client.get(f"{UPSTREAM}/items/{token}-1")
    return {"basket": token, "total": 2 * reply.json()["price"]}
