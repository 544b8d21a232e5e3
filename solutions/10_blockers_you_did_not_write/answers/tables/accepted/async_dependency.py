import os
from contextlib import asynccontextmanager

import httpx
from fastapi import Depends, FastAPI, Request

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


async def points_of(guest: str, request: Request):
    return (await request.app.state.client.get(f"/items/{guest}")).json()["price"]


@app.get("/tables")
async def tables(guest: str, points: int = Depends(points_of)):
    return {"guest": guest, "points": points}
