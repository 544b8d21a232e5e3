import asyncio
import time
from contextlib import asynccontextmanager

from fastapi import FastAPI


async def housekeeping():
    while True:
        await asyncio.sleep(0.4)
        time.sleep(0.15)


@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(housekeeping())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    await asyncio.sleep(wait)
    return {"report": number, "status": "ready"}
