import os

import httpx
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
client = httpx.Client(timeout=60)
current_default_thread_limiter().total_tokens = 100
app = FastAPI()


@app.get("/stock/{token}")
def stock(token: str):
    reply = client.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "stock": reply.json()["price"]}
