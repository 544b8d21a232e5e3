import asyncio
import os
from contextlib import asynccontextmanager

from fastapi import FastAPI
from redis.asyncio import Redis

client = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)
stack = asyncio.LifoQueue()


async def work():
    while True:
        token, answer = await stack.get()
        _, price = await client.blpop([f"reply:{token}"], timeout=30)
        answer.set_result(int(price))


async def collect():
    # a moment for others to come, and then the last of them first
    while True:
        await asyncio.sleep(0.05)
        batch = [arrived.get_nowait() for _ in range(arrived.qsize())]
        for entry in batch:
            stack.put_nowait(entry)


arrived = asyncio.Queue()


@asynccontextmanager
async def lifespan(app):
    tasks = [asyncio.create_task(work()), asyncio.create_task(collect())]
    yield
    for task in tasks:
        task.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/quotes/{token}")
async def quote(token: str):
    await client.rpush("jobs", token)
    answer = asyncio.get_running_loop().create_future()
    arrived.put_nowait((token, answer))
    return {"item": token, "price": await answer}
