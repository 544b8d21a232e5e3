import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


def fetch(token):
    return requests.get(f"{UPSTREAM}/items/{token}", timeout=30)


pool = ThreadPoolExecutor(max_workers=16)


app = FastAPI()


@app.get("/prices/{token}")
async def price(token: str):
    loop = asyncio.get_running_loop()
    reply = await loop.run_in_executor(pool, fetch, token)
    return reply.json()
