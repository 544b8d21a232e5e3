import os
import threading

import redis
from fastapi import FastAPI

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()
client = redis.Redis.from_url(REDIS_URL, socket_timeout=60)
lock = threading.Lock()


@app.post("/jobs/{token}")
def job(token: str):
    with lock:
        client.rpush("jobs", token)
        _, reply = client.blpop([f"reply:{token}"], timeout=30)
    return {"job": token, "result": int(reply)}
