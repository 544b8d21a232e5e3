import os

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


@app.post("/parcels/{token}")
async def parcel(token: str):
    numbers["asked"] += 1
    await client.rpush("jobs", token)
    _, grams = await client.blpop([f"reply:{token}"], timeout=30)
    numbers["weighed"] += 1
    return {"parcel": token, "grams": int(grams)}
