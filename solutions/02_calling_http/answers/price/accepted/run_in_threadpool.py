import os

import requests
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/prices/{token}")
async def price(token: str):
    reply = await run_in_threadpool(requests.get, f"{UPSTREAM}/items/{token}", timeout=30)
    return reply.json()
