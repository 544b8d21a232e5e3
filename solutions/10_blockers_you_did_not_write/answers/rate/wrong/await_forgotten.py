import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)
rates = {}


async def rate_of(token):
    if token not in rates:
        rates[token] = (await app.state.client.get(f"/items/{token}")).json()["price"]
    return rates[token]


@app.get("/rates/{token}")
async def rate(token: str):
    return {"currency": token, "rate": rate_of(token)}
