import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


async def price_of(token):
    return (await app.state.client.get(f"/items/{token}")).json()["price"]


change = asyncio.Condition()
asking = 0


@app.get("/prices/{token}")
async def price(token: str):
    global asking
    asking += 1
    number = await price_of(token)
    async with change:
        asking -= 1
        change.notify_all()
        await change.wait_for(lambda: asking == 0)
    return {"item": token, "price": number}
