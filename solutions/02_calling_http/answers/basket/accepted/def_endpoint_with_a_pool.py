import os
from concurrent.futures import ThreadPoolExecutor

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
pool = ThreadPoolExecutor(max_workers=32)


@app.get("/baskets/{token}")
def basket(token: str):
    replies = list(pool.map(requests.get, [f"{UPSTREAM}/items/{token}-{i}" for i in (1, 2)]))
    return {"basket": token, "total": sum(reply.json()["price"] for reply in replies)}
