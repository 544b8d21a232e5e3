import os
from typing import Annotated

from fastapi import Depends, FastAPI
from redis.asyncio import Redis

app = FastAPI()


async def balance_of(token: str):
    async with Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60) as client:
        await client.rpush("jobs", token)
        _, balance = await client.blpop([f"reply:{token}"], timeout=60)
    return int(balance)


@app.get("/accounts/{token}")
async def account(token: str, balance: Annotated[int, Depends(balance_of)]):
    return {"account": token, "balance": balance}
