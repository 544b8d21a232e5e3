import os
from typing import Annotated

from fastapi import Depends, FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


class Balance:
    async def __call__(self, token: str):
        await client.rpush("jobs", token)
        _, balance = await client.blpop([f"reply:{token}"], timeout=60)
        return int(balance)


@app.get("/accounts/{token}")
async def account(token: str, balance: Annotated[int, Depends(Balance())]):
    return {"account": token, "balance": balance}
