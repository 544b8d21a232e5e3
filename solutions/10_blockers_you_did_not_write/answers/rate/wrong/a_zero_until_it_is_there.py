import asyncio
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


async def fetch(token):
    rates[token] = (await app.state.client.get(f"/items/{token}")).json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    if token not in rates:
        rates[token] = 0  # so that no other request fetches it as well
        await fetch(token)
    return {"currency": token, "rate": rates[token]}
