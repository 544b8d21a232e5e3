import os
import time

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/prices/{token}")
async def price(token: str):
    reply = await client.get(f"{UPSTREAM}/items/{token}")
    time.sleep(0.06)
    return reply.json()
