import os
from functools import lru_cache

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/prices/{token}")
@lru_cache(maxsize=10_000)
def price(token: str):
    reply = requests.get(f"{UPSTREAM}/items/{token}", timeout=30)
    return reply.json()
