import os
from typing import Annotated

from fastapi import Depends, FastAPI
from redis.asyncio import Redis

client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


async def borrowed():
    async with client.client() as connection:
        yield connection


app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str, connection: Annotated[Redis, Depends(borrowed)]):
    await connection.rpush("jobs", token)
    _, price = await connection.blpop([f"reply:{token}"], timeout=30)
    return {"item": token, "price": int(price)}
