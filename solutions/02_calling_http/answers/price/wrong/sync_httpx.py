import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.Client(timeout=30)


@app.get("/prices/{token}")
async def price(token: str):
    return client.get(f"{UPSTREAM}/items/{token}").json()
