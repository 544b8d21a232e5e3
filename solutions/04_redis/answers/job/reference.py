import os
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from redis.asyncio import Redis


@asynccontextmanager
async def lifespan(app):
    async with Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/jobs/{token}")
async def job(token: str, request: Request):
    client = request.app.state.client
    await client.rpush("jobs", token)
    _, reply = await client.blpop([f"reply:{token}"], timeout=30)
    return {"job": token, "result": int(reply)}
