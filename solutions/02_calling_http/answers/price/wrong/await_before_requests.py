import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/prices/{token}")
async def price(token: str):
    reply = await requests.get(f"{UPSTREAM}/items/{token}", timeout=30)
    return reply.json()
