import os

import httpx
from fastapi import BackgroundTasks, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.Client(base_url=UPSTREAM, timeout=60)


async def tell_the_kitchen(token):
    client.get(f"/items/{token}")


@app.post("/orders/{token}")
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_kitchen, token)
    return {"order": token, "accepted": True}
