import os
from contextlib import asynccontextmanager

from fastapi import FastAPI
from redis.asyncio import BlockingConnectionPool, Redis

pool = BlockingConnectionPool.from_url(
    os.environ["REDIS_URL"], max_connections=4, timeout=60, socket_timeout=60
)


@asynccontextmanager
async def lifespan(app):
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)
client = Redis(connection_pool=pool)


@app.get("/quotes/{token}")
async def quote(token: str):
    async with client.client() as connection:
        await connection.rpush("jobs", token)
        _, price = await connection.blpop([f"reply:{token}"], timeout=30)
    return {"item": token, "price": int(price)}
