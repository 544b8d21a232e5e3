import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
pool = ThreadPoolExecutor(max_workers=1)


@app.get("/prices/{token}")
async def price(token: str):
    loop = asyncio.get_running_loop()
    reply = await loop.run_in_executor(pool, requests.get, f"{UPSTREAM}/items/{token}")
    return reply.json()
