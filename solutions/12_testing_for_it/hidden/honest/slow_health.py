"""A pool of its own, and a health check that awaits something itself."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
app = FastAPI()
pool = ThreadPoolExecutor(8)


@app.get("/quotes/{token}")
async def quote(token: str):
    loop = asyncio.get_running_loop()
    response = await loop.run_in_executor(pool, requests.get, f"{SUPPLIER}/items/{token}")
    return {"item": token, "price": response.json()["price"]}


@app.get("/health")
async def health():
    await asyncio.sleep(0.6)
    return {"ok": True}
