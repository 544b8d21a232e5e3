import asyncio
import os
from collections import defaultdict
from functools import lru_cache

import requests
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
locks = defaultdict(asyncio.Lock)


@lru_cache(maxsize=1000)
def rate_of(token):
    return requests.get(f"{UPSTREAM}/items/{token}").json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    async with locks[token]:
        return {"currency": token, "rate": await run_in_threadpool(rate_of, token)}
