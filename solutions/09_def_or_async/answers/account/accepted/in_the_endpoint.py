import os

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


async def balance_of(token):
    await client.rpush("jobs", token)
    _, balance = await client.blpop([f"reply:{token}"], timeout=60)
    return int(balance)


@app.get("/accounts/{token}")
async def account(token: str):
    return {"account": token, "balance": await balance_of(token)}
