import asyncio
import os

import redis
from fastapi import FastAPI

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()
client = redis.Redis.from_url(REDIS_URL, socket_timeout=60)


def work_on(token):
    client.rpush("jobs", token)
    _, reply = client.blpop([f"reply:{token}"], timeout=30)
    return int(reply)


@app.post("/jobs/{token}")
async def job(token: str):
    return {"job": token, "result": await asyncio.to_thread(work_on, token)}
