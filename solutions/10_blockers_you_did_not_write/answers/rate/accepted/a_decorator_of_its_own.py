import asyncio
import os
from contextlib import asynccontextmanager
from functools import wraps

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


def cached(function):
    calls = {}

    @wraps(function)
    async def wrapper(key):
        if key not in calls:
            calls[key] = asyncio.ensure_future(function(key))
        return await asyncio.shield(calls[key])

    return wrapper


@cached
async def rate_of(token):
    return (await app.state.client.get(f"/items/{token}")).json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    return {"currency": token, "rate": await rate_of(token)}
