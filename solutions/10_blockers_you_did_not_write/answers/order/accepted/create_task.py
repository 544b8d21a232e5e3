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
running = set()


async def tell_the_kitchen(token):
    await app.state.client.get(f"/items/{token}")


@app.post("/orders/{token}")
async def order(token: str):
    task = asyncio.create_task(tell_the_kitchen(token))
    running.add(task)
    task.add_done_callback(running.discard)
    return {"order": token, "accepted": True}
