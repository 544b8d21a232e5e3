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


@app.get("/baskets/{token}")
async def basket(token: str, request: Request):
    client = request.app.state.client
    items = (f"{token}-1", f"{token}-2")
    replies = await asyncio.gather(*(client.get(f"{UPSTREAM}/items/{item}") for item in items))
    return {"basket": token, "total": sum(reply.json()["price"] for reply in replies)}
