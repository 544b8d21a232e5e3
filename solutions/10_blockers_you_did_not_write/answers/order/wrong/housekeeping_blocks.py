import asyncio
import os
import time
from contextlib import asynccontextmanager

import requests
from fastapi import BackgroundTasks, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


async def housekeeping():
    while True:
        await asyncio.sleep(0.5)
        time.sleep(0.12)


@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(housekeeping())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


def tell_the_kitchen(token):
    requests.get(f"{UPSTREAM}/items/{token}")


@app.post("/orders/{token}")
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_kitchen, token)
    return {"order": token, "accepted": True}
