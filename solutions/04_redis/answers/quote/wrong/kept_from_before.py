import os

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
kept = {}


@app.get("/quotes/{token}")
async def quote(token: str):
    if "price" not in kept:
        await client.rpush("jobs", token)
        _, kept["price"] = await client.blpop([f"reply:{token}"], timeout=30)
    return {"item": token, "price": int(kept["price"])}
