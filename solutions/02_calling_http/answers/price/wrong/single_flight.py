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


under_way = {}


@app.get("/prices/{token}")
async def price(token: str):
    if token not in under_way:
        under_way[token] = asyncio.create_task(price_of(token))
        under_way[token].add_done_callback(lambda _: under_way.pop(token))
    return {"item": token, "price": await asyncio.shield(under_way[token])}
