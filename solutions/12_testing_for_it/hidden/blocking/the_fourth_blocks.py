"""Three may wait; the fourth finds the loop waiting for a thread."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
app = FastAPI()
pool = ThreadPoolExecutor(8)
under_way = 0


@app.get("/quotes/{token}")
async def quote(token: str):
    global under_way
    under_way += 1
    job = pool.submit(requests.get, f"{SUPPLIER}/items/{token}")
    response = await asyncio.wrap_future(job) if under_way < 4 else job.result()
    under_way -= 1
    return {"item": token, "price": response.json()["price"]}


@app.get("/health")
async def health():
    return {"ok": True}
