import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=1) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)
calls = {}


async def rate_of(token):
    return (await app.state.client.get(f"/items/{token}")).json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    if token not in calls:
        calls[token] = asyncio.create_task(rate_of(token))
    return {"currency": token, "rate": await asyncio.shield(calls[token])}
