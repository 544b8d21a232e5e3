import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from pydantic import BaseModel

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


class Wine(BaseModel):
    wine: str
    bottles: int


under_way = {}


async def bottles_of(token):
    return (await app.state.client.get(f"/items/{token}")).json()["price"]


@app.get("/wines/{token}")
async def wine(token: str) -> Wine:
    if token not in under_way:
        under_way[token] = asyncio.create_task(bottles_of(token))
        under_way[token].add_done_callback(lambda _: under_way.pop(token))
    return Wine(wine=token, bottles=await asyncio.shield(under_way[token]))
