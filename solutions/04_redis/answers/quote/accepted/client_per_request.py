import os

from fastapi import FastAPI
from redis.asyncio import Redis

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    async with Redis.from_url(REDIS_URL, max_connections=1, socket_timeout=60) as client:
        await client.rpush("jobs", token)
        _, price = await client.blpop([f"reply:{token}"], timeout=30)
    return {"item": token, "price": int(price)}
