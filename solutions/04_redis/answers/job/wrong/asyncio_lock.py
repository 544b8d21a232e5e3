import asyncio
import os

from fastapi import FastAPI
from redis.asyncio import Redis

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()
client = Redis.from_url(REDIS_URL, socket_timeout=60)
lock = asyncio.Lock()


@app.post("/jobs/{token}")
async def job(token: str):
    async with lock:
        await client.rpush("jobs", token)
        _, reply = await client.blpop([f"reply:{token}"], timeout=30)
    return {"job": token, "result": int(reply)}
