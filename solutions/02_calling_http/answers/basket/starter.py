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
    total = 0
    for item in (f"{token}-1", f"{token}-2"):
        total += (await request.app.state.client.get(f"{UPSTREAM}/items/{item}")).json()["price"]
    return {"basket": token, "total": total}
