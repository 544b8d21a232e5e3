import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/orders/{token}")
async def order(token: str):
    told = asyncio.create_task(app.state.client.get(f"{SUPPLIER}/items/{token}"))
    await asyncio.wait([told], timeout=0.5)
    return {"order": token, "accepted": True}
