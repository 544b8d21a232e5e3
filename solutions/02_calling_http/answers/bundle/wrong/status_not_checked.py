import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=30) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


async def price(client, item):
    reply = await client.get(f"{UPSTREAM}/items/{item}")
    return reply.json()["price"]


@app.get("/bundles/{token}")
async def bundle(token: str, request: Request):
    client = request.app.state.client
    items = (f"{token}-1", f"{token}-2")
    prices = await asyncio.gather(*(price(client, item) for item in items), return_exceptions=True)
    if any(isinstance(one, httpx.HTTPError) for one in prices):
        return {"bundle": token, "unavailable": True}
    return {"bundle": token, "total": sum(prices)}
