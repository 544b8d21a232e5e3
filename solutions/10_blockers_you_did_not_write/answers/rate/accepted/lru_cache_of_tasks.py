import asyncio
import os
from contextlib import asynccontextmanager
from functools import lru_cache

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


async def ask(token):
    return (await app.state.client.get(f"/items/{token}")).json()["price"]


@lru_cache(maxsize=1000)
def rate_of(token):
    return asyncio.ensure_future(ask(token))


@app.get("/rates/{token}")
async def rate(token: str):
    return {"currency": token, "rate": await rate_of(token)}
