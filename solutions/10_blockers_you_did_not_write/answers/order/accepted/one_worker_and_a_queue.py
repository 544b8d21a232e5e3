import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as client, asyncio.TaskGroup() as tasks:
        app.state.orders = asyncio.Queue()
        worker = tasks.create_task(tell_the_kitchen(client, app.state.orders))
        yield
        worker.cancel()


async def tell_the_kitchen(client, orders):
    while True:
        await client.get(f"/items/{await orders.get()}")


app = FastAPI(lifespan=lifespan)


@app.post("/orders/{token}")
async def order(token: str):
    app.state.orders.put_nowait(token)
    return {"order": token, "accepted": True}
