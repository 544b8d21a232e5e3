import os
from functools import lru_cache

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.Client(base_url=UPSTREAM, timeout=60)


@lru_cache(maxsize=1000)
def rate_of(token):
    return client.get(f"/items/{token}").json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    return {"currency": token, "rate": rate_of(token)}
