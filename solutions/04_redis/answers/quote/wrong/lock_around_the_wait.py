import asyncio
import os

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
lock = asyncio.Lock()


@app.get("/quotes/{token}")
async def quote(token: str):
    await client.rpush("jobs", token)
    async with lock:
        _, price = await client.blpop([f"reply:{token}"], timeout=30)
    return {"item": token, "price": int(price)}
