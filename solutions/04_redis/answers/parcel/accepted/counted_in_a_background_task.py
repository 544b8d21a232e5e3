import os

from fastapi import BackgroundTasks, FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
numbers = {"asked": 0, "weighed": 0}
app.get("/numbers")(lambda: numbers)


async def count(what):
    numbers[what] += 1


@app.post("/parcels/{token}")
async def parcel(token: str, tasks: BackgroundTasks):
    await count("asked")
    await client.rpush("jobs", token)
    _, grams = await client.blpop([f"reply:{token}"], timeout=30)
    tasks.add_task(count, "weighed")
    return {"parcel": token, "grams": int(grams)}
