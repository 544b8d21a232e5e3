import asyncio
import os
from collections import defaultdict
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request

UPSTREAM = os.environ["UPSTREAM_URL"]
locks = defaultdict(asyncio.Lock)


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=30) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/prices/{token}")
async def price(token: str, request: Request):
    async with locks[token]:
        return (await request.app.state.client.get(f"{UPSTREAM}/items/{token}")).json()
