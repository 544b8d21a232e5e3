import os
from contextlib import asynccontextmanager
from functools import cache

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/rates/{token}")
@cache
async def rate(token: str):
    answer = await app.state.client.get(f"/items/{token}")
    return {"currency": token, "rate": answer.json()["price"]}
