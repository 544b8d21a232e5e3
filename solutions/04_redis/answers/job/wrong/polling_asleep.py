import os
import time

import redis
from fastapi import FastAPI

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()
client = redis.Redis.from_url(REDIS_URL, socket_timeout=60)


@app.post("/jobs/{token}")
async def job(token: str):
    client.rpush("jobs", token)
    while (reply := client.lpop(f"reply:{token}")) is None:
        time.sleep(0.02)
    return {"job": token, "result": int(reply)}
