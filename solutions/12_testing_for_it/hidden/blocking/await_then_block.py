"""It awaits first, and blocks then."""

import asyncio
import os

import requests
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    await asyncio.sleep(0.05)
    response = requests.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "price": response.json()["price"]}


@app.get("/health")
async def health():
    return {"ok": True}
