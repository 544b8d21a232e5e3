import os
from contextlib import asynccontextmanager

import anyio
import httpx
from fastapi import FastAPI, Request

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=30) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/bundles/{token}")
async def bundle(token: str, request: Request):
    client = request.app.state.client
    prices, missing = [], []

    async def ask(item):
        reply = await client.get(f"{UPSTREAM}/items/{item}")
        if reply.status_code != 200:
            missing.append(item)
            group.cancel_scope.cancel()
        else:
            prices.append(reply.json()["price"])

    async with anyio.create_task_group() as group:
        for number in (1, 2):
            group.start_soon(ask, f"{token}-{number}")
    if missing:
        return {"bundle": token, "unavailable": True}
    return {"bundle": token, "total": sum(prices)}
