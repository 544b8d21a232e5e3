import asyncio
import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()
client = httpx.AsyncClient(timeout=30)


@app.get("/baskets/{token}")
async def basket(token: str):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.get(f"{UPSTREAM}/items/{token}-{i}")) for i in (1, 2)]
    return {"basket": token, "total": sum(task.result().json()["price"] for task in tasks)}
