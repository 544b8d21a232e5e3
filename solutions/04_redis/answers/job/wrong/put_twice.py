import asyncio
import os

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


async def result_of(token):
    await asyncio.gather(client.rpush("jobs", token), client.rpush("jobs", token))
    _, result = await client.blpop([f"reply:{token}"], timeout=60)
    return int(result)


@app.post("/jobs/{token}")
async def job(token: str):
    return {"job": token, "result": await result_of(token)}
