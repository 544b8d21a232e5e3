import os

import redis
import redis.asyncio
from fastapi import FastAPI

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()
client = redis.asyncio.Redis.from_url(REDIS_URL, socket_timeout=60)
waiting_client = redis.Redis.from_url(REDIS_URL, socket_timeout=60)


@app.post("/jobs/{token}")
async def job(token: str):
    await client.rpush("jobs", token)
    _, reply = waiting_client.blpop([f"reply:{token}"], timeout=30)
    return {"job": token, "result": int(reply)}
