import os
from typing import Annotated

from fastapi import Depends, FastAPI
from redis.asyncio import BlockingConnectionPool, Redis

app = FastAPI()
pool = BlockingConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=20, timeout=60, socket_timeout=60)
client = Redis(connection_pool=pool)


async def balance_of(token: str):
    async with client.client() as connection:
        await connection.rpush("jobs", token)
        _, balance = await connection.blpop([f"reply:{token}"], timeout=60)
    return int(balance)


@app.get("/accounts/{token}")
async def account(token: str, balance: Annotated[int, Depends(balance_of)]):
    return {"account": token, "balance": balance}
