import os
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from redis.asyncio import Redis

client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


@asynccontextmanager
async def lifespan(app):
    async with client:
        yield


app = FastAPI(lifespan=lifespan)


async def balance_of(token: str):
    await client.rpush("jobs", token)
    _, balance = await client.blpop([f"reply:{token}"], timeout=60)
    return int(balance)


@app.get("/accounts/{token}")
async def account(token: str, balance: Annotated[int, Depends(balance_of)]):
    return {"account": token, "balance": balance}
