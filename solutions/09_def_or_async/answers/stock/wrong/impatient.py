import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException, Request

SUPPLIER = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=0.05) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    try:
        reply = await request.app.state.client.get(f"{SUPPLIER}/items/{token}")
    except httpx.TimeoutException:
        raise HTTPException(503, "the supplier is slow") from None
    return {"item": token, "stock": reply.json()["price"]}
