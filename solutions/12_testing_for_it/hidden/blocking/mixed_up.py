"""The loop is free, and requests that meet get the answer of another."""

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
asked_for = ""


@app.get("/quotes/{token}")
async def quote(token: str):
    global asked_for
    asked_for = token
    response = await app.state.client.get(f"{SUPPLIER}/items/{token}")
    return {"item": asked_for, "price": response.json()["price"]}


@app.get("/health")
async def health():
    return {"ok": True}
