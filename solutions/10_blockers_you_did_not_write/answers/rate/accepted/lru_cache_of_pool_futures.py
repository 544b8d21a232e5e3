import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
pool = ThreadPoolExecutor(max_workers=20)


@lru_cache(maxsize=1000)
def call_for(token):
    return pool.submit(requests.get, f"{UPSTREAM}/items/{token}")


@app.get("/rates/{token}")
async def rate(token: str):
    reply = await asyncio.wrap_future(call_for(token))
    return {"currency": token, "rate": reply.json()["price"]}
