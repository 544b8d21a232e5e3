import asyncio
import os

from fastapi import Depends, FastAPI
from redis.asyncio import Redis

app, under_way = FastAPI(), {}
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


async def counted():
    numbers["asked"] += 1
    yield
    numbers["weighed"] += 1


async def weigh(token):
    await client.rpush("jobs", token)
    _, grams = await client.blpop([f"reply:{token}"], timeout=30)
    return int(grams)


@app.post("/parcels/{token}", dependencies=[Depends(counted)])
async def parcel(token: str):
    if token not in under_way:
        under_way[token] = asyncio.create_task(weigh(token))
        under_way[token].add_done_callback(lambda _: under_way.pop(token))
    return {"parcel": token, "grams": await asyncio.shield(under_way[token])}
