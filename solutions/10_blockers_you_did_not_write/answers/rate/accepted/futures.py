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


@app.get("/rates/{token}")
async def rate(token: str):
    if token in rates:
        return {"currency": token, "rate": await asyncio.shield(rates[token])}
    rates[token] = asyncio.get_running_loop().create_future()
    rates[token].set_result((await app.state.client.get(f"/items/{token}")).json()["price"])
    return {"currency": token, "rate": rates[token].result()}
