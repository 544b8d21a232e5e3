import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/prices/{token}")
async def price(token: str):
    async with httpx.AsyncClient(timeout=30) as client:
        reply = await client.get(f"{UPSTREAM}/items/{token}")
    return reply.json()
