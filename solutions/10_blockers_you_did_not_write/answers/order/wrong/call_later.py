import asyncio
import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


def tell_the_kitchen(token):
    requests.get(f"{UPSTREAM}/items/{token}")


@app.post("/orders/{token}")
async def order(token: str):
    asyncio.get_running_loop().call_later(0.05, tell_the_kitchen, token)
    return {"order": token, "accepted": True}
