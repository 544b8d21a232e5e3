import asyncio
import os

import requests
from fastapi import FastAPI

app = FastAPI()


def price(item):
    reply = requests.get(f"{os.environ['UPSTREAM_URL']}/items/{item}", timeout=30)
    reply.raise_for_status()
    return reply.json()["price"]


@app.get("/bundles/{token}")
async def bundle(token: str):
    try:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(asyncio.to_thread(price, f"{token}-{number}")) for number in (1, 2)]
    except ExceptionGroup:
        return {"bundle": token, "unavailable": True}
    return {"bundle": token, "total": sum(call.result() for call in calls)}
