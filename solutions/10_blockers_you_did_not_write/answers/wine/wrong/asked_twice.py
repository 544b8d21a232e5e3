import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


class Wine(BaseModel):
    wine: str
    bottles: int


@app.get("/wines/{token}")
async def wine(token: str) -> Wine:
    if (await app.state.client.get(f"/items/{token}")).status_code == 404:
        raise HTTPException(404)
    reply = await app.state.client.get(f"/items/{token}")
    return Wine(wine=token, bottles=reply.json()["price"])
