import os

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], max_connections=1, socket_timeout=60)


@app.get("/quotes/{token}")
async def quote(token: str):
    async with client.client() as connection:
        await connection.rpush("jobs", token)
        _, price = await connection.blpop([f"reply:{token}"], timeout=30)
    return {"item": token, "price": int(price)}
