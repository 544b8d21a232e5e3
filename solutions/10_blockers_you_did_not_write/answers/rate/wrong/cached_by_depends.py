import os
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


async def rate_of(token: str):
    return (await app.state.client.get(f"/items/{token}")).json()["price"]


@app.get("/rates/{token}")
async def rate(token: str, rate: Annotated[int, Depends(rate_of, use_cache=True)]):
    return {"currency": token, "rate": rate}
