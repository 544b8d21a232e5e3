import os
from functools import lru_cache

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/rates/{token}")
def rate(token: str):
    @lru_cache
    def rate_of(token):
        return requests.get(f"{UPSTREAM}/items/{token}").json()["price"]

    return {"currency": token, "rate": rate_of(token)}
