"""A lock for tasks: the loop is free, and requests wait in line."""

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
lock = asyncio.Lock()


@app.get("/quotes/{token}")
async def quote(token: str):
    async with lock:
        response = await app.state.client.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "price": response.json()["price"]}


@app.get("/health")
async def health():
    return {"ok": True}
