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


@app.get("/rates/{token}")
async def rate(token: str):
    if token not in rates:
        answer = await app.state.client.get(f"/items/{token}")
        rates[token] = answer.json()["price"]
    return {"currency": token, "rate": rates[token]}
