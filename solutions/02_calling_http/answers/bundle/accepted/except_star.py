import asyncio
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=30) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


async def price(client, item):
    reply = await client.get(f"{UPSTREAM}/items/{item}")
    return reply.raise_for_status().json()["price"]


@app.get("/bundles/{token}")
async def bundle(token: str, request: Request):
    client = request.app.state.client
    found = {"unavailable": True}
    try:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(price(client, f"{token}-1"))
            second = group.create_task(price(client, f"{token}-2"))
        found = {"total": first.result() + second.result()}
    except* httpx.HTTPStatusError as errors:
        print(f"no price for {token}:", *errors.exceptions)
    return {"bundle": token} | found
