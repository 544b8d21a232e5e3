import asyncio
import time

from fastapi import Depends, FastAPI

app = FastAPI()


async def slow_down(wait: float):
    await asyncio.to_thread(time.sleep, wait)


@app.post("/orders/{number}", dependencies=[Depends(slow_down)])
async def order(number: int):
    return {"order": number, "state": "accepted"}
