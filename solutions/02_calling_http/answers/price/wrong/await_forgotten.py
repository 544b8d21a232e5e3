import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/prices/{token}")
async def price(token: str):
    reply = client.get(f"{UPSTREAM}/items/{token}")
    return reply.json()
