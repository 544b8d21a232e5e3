import os
from concurrent.futures import ThreadPoolExecutor

import httpx
from fastapi import FastAPI

app = FastAPI()
client = httpx.Client(base_url=os.environ["UPSTREAM_URL"], timeout=30)


def price(item):
    return client.get(f"/items/{item}").raise_for_status().json()["price"]


@app.get("/bundles/{token}")
def bundle(token: str):
    try:
        with ThreadPoolExecutor(2) as pool:
            total = sum(pool.map(price, (f"{token}-1", f"{token}-2")))
    except httpx.HTTPStatusError:
        return {"bundle": token, "unavailable": True}
    return {"bundle": token, "total": total}
