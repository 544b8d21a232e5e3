import asyncio
import os

import requests
from fastapi import BackgroundTasks, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


async def tell_the_kitchen(token):
    await asyncio.to_thread(requests.get, f"{UPSTREAM}/items/{token}")


@app.post("/orders/{token}")
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_kitchen, token)
    return {"order": token, "accepted": True}
