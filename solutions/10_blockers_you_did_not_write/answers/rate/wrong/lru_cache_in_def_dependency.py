import os
from functools import lru_cache

import requests
from fastapi import Depends, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@lru_cache(maxsize=1000)
def rate_of(token: str):
    return requests.get(f"{UPSTREAM}/items/{token}").json()["price"]


@app.get("/rates/{token}")
async def rate(token: str, rate: int = Depends(rate_of)):
    return {"currency": token, "rate": rate}
