import os

from fastapi import FastAPI
from redis.asyncio import Redis

REDIS_URL = os.environ["REDIS_URL"]
app = FastAPI()
client = Redis.from_url(REDIS_URL, socket_timeout=60)


@app.post("/jobs/{token}")
async def job(token: str):
    async with client.pipeline(transaction=False) as pipe:
        pipe.rpush("jobs", token)
        pipe.blpop([f"reply:{token}"], timeout=30)
        _, (_, reply) = await pipe.execute()
    return {"job": token, "result": int(reply)}
