import os
import threading
from functools import lru_cache

import requests
from fastapi import FastAPI

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
def rate(token: str):
    return {"currency": token, "rate": rate_of(token)}
