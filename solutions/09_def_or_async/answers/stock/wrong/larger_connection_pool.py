import os

import httpx
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
client = httpx.Client(timeout=60, limits=httpx.Limits(max_connections=1000))
app = FastAPI()


@app.get("/stock/{token}")
def stock(token: str):
    reply = client.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "stock": reply.json()["price"]}
