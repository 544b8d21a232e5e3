import os
from concurrent.futures import ThreadPoolExecutor

import redis
from fastapi import FastAPI

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()
client = redis.Redis.from_url(REDIS_URL, socket_timeout=60)
pool = ThreadPoolExecutor(max_workers=16)


def work_on(token):
    client.rpush("jobs", token)
    _, reply = client.blpop([f"reply:{token}"], timeout=30)
    return int(reply)


@app.post("/jobs/{token}")
async def job(token: str):
    future = pool.submit(work_on, token)
    return {"job": token, "result": future.result()}
