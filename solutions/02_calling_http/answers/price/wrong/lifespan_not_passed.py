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


app = FastAPI()


@app.get("/prices/{token}")
async def price(token: str, request: Request):
    reply = await request.app.state.client.get(f"{UPSTREAM}/items/{token}")
    return reply.json()
