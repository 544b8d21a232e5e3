import os
from contextlib import asynccontextmanager
from typing import Annotated

import redis
from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI

client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


@asynccontextmanager
async def lifespan(app):
    current_default_thread_limiter().total_tokens = 80
    yield


app = FastAPI(lifespan=lifespan)


def balance_of(token: str):
    client.rpush("jobs", token)
    _, balance = client.blpop([f"reply:{token}"], timeout=60)
    return int(balance)


@app.get("/accounts/{token}")
async def account(token: str, balance: Annotated[int, Depends(balance_of)]):
    return {"account": token, "balance": balance}
