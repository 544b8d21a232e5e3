import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


async def fetch(token):
    return requests.get(f"{UPSTREAM}/items/{token}", timeout=30).json()


app = FastAPI()


@app.get("/prices/{token}")
async def price(token: str):
    return await fetch(token)
