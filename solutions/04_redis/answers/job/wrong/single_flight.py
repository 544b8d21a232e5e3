import asyncio
import os

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


async def result_of(token):
    await client.rpush("jobs", token)
    _, result = await client.blpop([f"reply:{token}"], timeout=60)
    return int(result)


under_way = {}


@app.post("/jobs/{token}")
async def job(token: str):
    if token not in under_way:
        under_way[token] = asyncio.create_task(result_of(token))
        under_way[token].add_done_callback(lambda _: under_way.pop(token))
    return {"job": token, "result": await asyncio.shield(under_way[token])}
