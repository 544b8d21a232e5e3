import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import BackgroundTasks, FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
under_way = {}


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


async def tell_the_kitchen(token):
    if token not in under_way:
        under_way[token] = asyncio.create_task(app.state.client.get(f"{SUPPLIER}/items/{token}"))
        under_way[token].add_done_callback(lambda _: under_way.pop(token))
    await under_way[token]


@app.post("/orders/{token}")
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_kitchen, token)
    return {"order": token, "accepted": True}
