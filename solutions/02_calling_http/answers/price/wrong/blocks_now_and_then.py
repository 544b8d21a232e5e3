import asyncio
import os
import time
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


async def housekeeping():
    while True:
        await asyncio.sleep(0.5)
        time.sleep(0.12)


@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(housekeeping())
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


async def price_of(token):
    return (await app.state.client.get(f"/items/{token}")).json()["price"]


@app.get("/prices/{token}")
async def price(token: str):
    return {"item": token, "price": await price_of(token)}
