import os

from fastapi import FastAPI
from redis.asyncio import BlockingConnectionPool, Redis

app = FastAPI()
pool = BlockingConnectionPool.from_url(
    os.environ["REDIS_URL"], max_connections=2, timeout=60, socket_timeout=60
)
client = Redis(connection_pool=pool)


@app.post("/jobs/{token}")
async def job(token: str):
    async with client.client() as connection:
        await connection.rpush("jobs", token)
        _, reply = await connection.blpop([f"reply:{token}"], timeout=30)
    return {"job": token, "result": int(reply)}
