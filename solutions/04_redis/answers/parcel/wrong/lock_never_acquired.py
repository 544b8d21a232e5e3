import asyncio
import os

from fastapi import FastAPI
from redis.asyncio import Redis

app, lock = FastAPI(), asyncio.Lock()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


async def count(name):
    lock.acquire()
    try:
        numbers[name] += 1
    finally:
        lock.release()


@app.post("/parcels/{token}")
async def parcel(token: str):
    await count("asked")
    await client.rpush("jobs", token)
    _, grams = await client.blpop([f"reply:{token}"], timeout=30)
    await count("weighed")
    return {"parcel": token, "grams": int(grams)}
