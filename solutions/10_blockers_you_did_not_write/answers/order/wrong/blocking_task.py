import asyncio
import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
running = set()


async def tell_the_kitchen(token):
    requests.get(f"{UPSTREAM}/items/{token}")


@app.post("/orders/{token}")
async def order(token: str):
    task = asyncio.create_task(tell_the_kitchen(token))
    running.add(task)
    task.add_done_callback(running.discard)
    return {"order": token, "accepted": True}
