import asyncio
import os

from fastapi import FastAPI
from redis.asyncio import Redis

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()
client = Redis.from_url(REDIS_URL, socket_timeout=60)


@app.post("/jobs/{token}")
async def job(token: str):
    await client.rpush("jobs", token)
    async with asyncio.timeout(30):
        while (reply := await client.lpop(f"reply:{token}")) is None:
            await asyncio.sleep(0.02)
    return {"job": token, "result": int(reply)}
