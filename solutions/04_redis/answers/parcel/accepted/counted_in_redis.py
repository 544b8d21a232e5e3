import os

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


@app.get("/numbers")
async def numbers():
    asked, weighed = await client.mget("asked", "weighed")
    return {"asked": int(asked or 0), "weighed": int(weighed or 0)}


@app.post("/parcels/{token}")
async def parcel(token: str):
    async with client.pipeline() as pipe:
        await pipe.incr("asked").rpush("jobs", token).execute()
    _, grams = await client.blpop([f"reply:{token}"], timeout=30)
    await client.incr("weighed")
    return {"parcel": token, "grams": int(grams)}
