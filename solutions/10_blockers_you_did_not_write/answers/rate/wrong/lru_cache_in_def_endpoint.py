import os
from functools import lru_cache

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@lru_cache(maxsize=1000)
def rate_of(token):
    return requests.get(f"{UPSTREAM}/items/{token}").json()["price"]


@app.get("/rates/{token}")
def rate(token: str):
    return {"currency": token, "rate": rate_of(token)}
