import asyncio
import os

from fastapi import FastAPI
from redis import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


def ask(token):
    client.rpush("jobs", token)
    _, price = client.blpop([f"reply:{token}"], timeout=30)
    return int(price)


@app.get("/quotes/{token}")
async def quote(token: str):
    return {"item": token, "price": await asyncio.to_thread(ask, token)}
