import os
from contextlib import asynccontextmanager

import httpx
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
client = httpx.Client(timeout=60)


@asynccontextmanager
async def lifespan(app):
    current_default_thread_limiter().total_tokens = 42
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/stock/{token}")
def stock(token: str):
    reply = client.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "stock": reply.json()["price"]}
