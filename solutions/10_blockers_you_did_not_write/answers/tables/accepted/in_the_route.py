import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/tables")
async def tables(request: Request, guest: str):
    answer = await request.app.state.client.get(f"/items/{guest}")
    return {"guest": guest, "points": answer.json()["price"]}
