import os
import threading
from functools import lru_cache

import requests
from fastapi import Depends, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
locks = {}


@lru_cache(maxsize=1000)
def call_service(token):
    return requests.get(f"{UPSTREAM}/items/{token}").json()["price"]


def rate_of(token: str):
    with locks.setdefault(token, threading.Lock()):
        return call_service(token)


@app.get("/rates/{token}")
async def rate(token: str, rate: int = Depends(rate_of)):
    return {"currency": token, "rate": rate}
