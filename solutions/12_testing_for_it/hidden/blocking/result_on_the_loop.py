"""A thread does the work, and the loop waits for the thread."""

import os
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
app = FastAPI()
pool = ThreadPoolExecutor(8)


@app.get("/quotes/{token}")
async def quote(token: str):
    job = pool.submit(requests.get, f"{SUPPLIER}/items/{token}")
    return {"item": token, "price": job.result().json()["price"]}


@app.get("/health")
async def health():
    return {"ok": True}
