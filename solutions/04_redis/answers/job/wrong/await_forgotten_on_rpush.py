import os

from fastapi import FastAPI, HTTPException
from redis.asyncio import Redis

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()
client = Redis.from_url(REDIS_URL, socket_timeout=60)


@app.post("/jobs/{token}")
async def job(token: str):
    client.rpush("jobs", token)
    reply = await client.blpop([f"reply:{token}"], timeout=1)
    if reply is None:
        raise HTTPException(504, "the worker did not answer")
    return {"job": token, "result": int(reply[1])}
