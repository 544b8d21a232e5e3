"""Correct: it awaits the supplier, with one client for all requests."""

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


@app.get("/quotes/{token}")
async def quote(token: str):
    response = await app.state.client.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "price": response.json()["price"]}


@app.get("/health")
async def health():
    return {"ok": True}
