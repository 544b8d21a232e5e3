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


app, known = FastAPI(lifespan=lifespan), {}


async def price(client, item):
    if item not in known:
        reply = await client.get(f"{UPSTREAM}/items/{item}")
        known[item] = reply.raise_for_status().json()["price"]
    return known[item]


@app.get("/bundles/{token}")
async def bundle(token: str, request: Request):
    client = request.app.state.client
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(price(client, f"{token}-{number}")) for number in (1, 2)]
    except ExceptionGroup:
        return {"bundle": token, "unavailable": True}
    return {"bundle": token, "total": sum(task.result() for task in tasks)}
