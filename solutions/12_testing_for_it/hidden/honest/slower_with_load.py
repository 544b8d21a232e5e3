"""The more requests are under way, the longer each awaits."""

import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=None, trust_env=False) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


under_way = 0


@app.get("/quotes/{token}")
async def quote(token: str):
    global under_way
    under_way += 1
    try:
        await asyncio.sleep(0.2 * under_way**2)
        response = await app.state.client.get(f"{SUPPLIER}/items/{token}")
    finally:
        under_way -= 1
    return {"item": token, "price": response.json()["price"]}


@app.get("/health")
async def health():
    return {"ok": True}
