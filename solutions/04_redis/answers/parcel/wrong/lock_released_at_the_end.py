import asyncio
import os

from fastapi import Depends, FastAPI
from redis.asyncio import Redis

app, lock = FastAPI(), asyncio.Lock()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


async def counted():
    await lock.acquire()
    numbers["asked"] += 1
    try:
        yield
        numbers["weighed"] += 1
    finally:
        lock.release()


@app.post("/parcels/{token}", dependencies=[Depends(counted)])
async def parcel(token: str):
    await client.rpush("jobs", token)
    _, grams = await client.blpop([f"reply:{token}"], timeout=30)
    return {"parcel": token, "grams": int(grams)}
