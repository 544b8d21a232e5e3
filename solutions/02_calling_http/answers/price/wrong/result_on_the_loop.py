import os
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
pool = ThreadPoolExecutor(max_workers=16)


@app.get("/prices/{token}")
async def price(token: str):
    future = pool.submit(requests.get, f"{UPSTREAM}/items/{token}")
    return future.result().json()
