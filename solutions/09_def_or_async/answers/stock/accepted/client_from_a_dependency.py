import os
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Request

SUPPLIER = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=60) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


async def client_of(request: Request):
    return request.app.state.client


@app.get("/stock/{token}")
async def stock(token: str, client: Annotated[httpx.AsyncClient, Depends(client_of)]):
    reply = await client.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "stock": reply.json()["price"]}
