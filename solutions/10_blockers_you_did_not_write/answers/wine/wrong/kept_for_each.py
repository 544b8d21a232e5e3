import os
from functools import lru_cache

import requests
from fastapi import FastAPI
from pydantic import BaseModel

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


class Wine(BaseModel):
    wine: str
    bottles: int


@lru_cache(maxsize=1000)
def bottles_of(token):
    return requests.get(f"{UPSTREAM}/items/{token}", timeout=30).json()["price"]


@app.get("/wines/{token}")
def wine(token: str) -> Wine:
    return Wine(wine=token, bottles=bottles_of(token))
