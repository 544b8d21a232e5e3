import asyncio
import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
calls = {}  # one task for each currency: kept from the first request on, not only from the first reply on


def rate_of(token):
    return requests.get(f"{UPSTREAM}/items/{token}").json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    if token not in calls:
        calls[token] = asyncio.create_task(asyncio.to_thread(rate_of, token))
    return {"currency": token, "rate": await asyncio.shield(calls[token])}
