import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request

SUPPLIER = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=60) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)
places = asyncio.Semaphore(40)


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    async with places:
        reply = await request.app.state.client.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "stock": reply.json()["price"]}
