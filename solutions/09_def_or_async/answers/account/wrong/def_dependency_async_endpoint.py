import os
from typing import Annotated

import redis
from fastapi import Depends, FastAPI

app = FastAPI()
client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60, max_connections=100)


def job(token: str):
    client.rpush("jobs", token)
    return token


def balance_of(token: Annotated[str, Depends(job)]):
    _, balance = client.blpop([f"reply:{token}"], timeout=60)
    return int(balance)


@app.get("/accounts/{token}")
async def account(token: str, balance: Annotated[int, Depends(balance_of)]):
    return {"account": token, "balance": balance}
