import os
from typing import Annotated

from fastapi import Depends, FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


known = []


async def balance_of(token: str):
    if not known:
        await client.rpush("jobs", token)
        known.append(await client.blpop([f"reply:{token}"], timeout=60))
    return int(known[0][1])


@app.get("/accounts/{token}")
async def account(token: str, balance: Annotated[int, Depends(balance_of)]):
    return {"account": token, "balance": balance}
