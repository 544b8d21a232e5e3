import asyncio
import os
from collections import defaultdict

from fastapi import Depends, FastAPI
from redis.asyncio import Redis

app, locks = FastAPI(), defaultdict(asyncio.Lock)
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


async def counted(token: str):
    async with locks[token]:
        numbers["asked"] += 1
        yield
        numbers["weighed"] += 1


@app.post("/parcels/{token}", dependencies=[Depends(counted)])
async def parcel(token: str):
    await client.rpush("jobs", token)
    _, grams = await client.blpop([f"reply:{token}"], timeout=30)
    return {"parcel": token, "grams": int(grams)}
