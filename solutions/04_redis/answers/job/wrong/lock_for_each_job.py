import asyncio
import os
from collections import defaultdict

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
locks = defaultdict(asyncio.Lock)


@app.post("/jobs/{token}")
async def job(token: str):
    async with locks[token]:
        await client.rpush("jobs", token)
        _, reply = await client.blpop([f"reply:{token}"], timeout=30)
    return {"job": token, "result": int(reply)}
