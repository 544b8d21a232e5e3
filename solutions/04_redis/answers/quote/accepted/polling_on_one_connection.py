import asyncio
import os

from fastapi import FastAPI
from redis.asyncio import BlockingConnectionPool, Redis

app = FastAPI()
pool = BlockingConnectionPool.from_url(
    os.environ["REDIS_URL"], max_connections=1, timeout=60, socket_timeout=60
)
client = Redis(connection_pool=pool)


@app.get("/quotes/{token}")
async def quote(token: str):
    await client.rpush("jobs", token)
    async with asyncio.timeout(30):
        while (price := await client.lpop(f"reply:{token}")) is None:
            await asyncio.sleep(0.02)
    return {"item": token, "price": int(price)}
