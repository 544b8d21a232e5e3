import os

import redis
from fastapi import FastAPI

client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


async def work_on(token):
    client.rpush("jobs", token)
    _, reply = client.blpop([f"reply:{token}"], timeout=30)
    return int(reply)


app = FastAPI()


@app.post("/jobs/{token}")
async def job(token: str):
    return {"job": token, "result": await work_on(token)}
