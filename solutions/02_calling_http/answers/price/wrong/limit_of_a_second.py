import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=1) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


async def price_of(token):
    return (await app.state.client.get(f"/items/{token}")).json()["price"]


@app.get("/prices/{token}")
async def price(token: str):
    return {"item": token, "price": await price_of(token)}
