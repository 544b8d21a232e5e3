import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
pool = ThreadPoolExecutor(max_workers=20)


@lru_cache(maxsize=1000)
def rate_of(token):
    asked = pool.submit(requests.get, f"{UPSTREAM}/items/{token}")
    return asked.result().json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    return {"currency": token, "rate": rate_of(token)}
