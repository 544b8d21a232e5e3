import os
from typing import Annotated

from fastapi import Depends, FastAPI
from redis.asyncio import Redis

shared = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


async def get_client():
    return shared


app = FastAPI()


@app.post("/jobs/{token}")
async def job(token: str, client: Annotated[Redis, Depends(get_client)]):
    await client.rpush("jobs", token)
    _, reply = await client.blpop([f"reply:{token}"], timeout=30)
    return {"job": token, "result": int(reply)}
