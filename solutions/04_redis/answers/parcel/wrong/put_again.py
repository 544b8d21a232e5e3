import os

from fastapi import Depends, FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


async def counted():
    numbers["asked"] += 1
    yield
    numbers["weighed"] += 1


@app.post("/parcels/{token}", dependencies=[Depends(counted)])
async def parcel(token: str):
    await client.rpush("jobs", token, token)
    _, grams = await client.blpop([f"reply:{token}"], timeout=30)
    return {"parcel": token, "grams": int(grams)}
