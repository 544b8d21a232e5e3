import os
from functools import lru_cache

import redis
from fastapi import FastAPI

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()
client = redis.Redis.from_url(REDIS_URL, socket_timeout=60)


@app.post("/jobs/{token}")
@lru_cache(maxsize=10_000)
def job(token: str):
    client.rpush("jobs", token)
    _, reply = client.blpop([f"reply:{token}"], timeout=30)
    return {"job": token, "result": int(reply)}
