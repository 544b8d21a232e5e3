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
rates, arrived = {}, {}


async def rate_of(token):
    return (await app.state.client.get(f"/items/{token}")).json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    if token in arrived:
        await arrived[token].wait()
    else:
        arrived[token] = asyncio.Event()
        rates[token] = await rate_of(token)
        arrived[token].set()
    return {"currency": token, "rate": rates[token]}
