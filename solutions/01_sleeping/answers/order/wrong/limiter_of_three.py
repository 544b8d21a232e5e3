import time

import anyio
from fastapi import Depends, FastAPI

app = FastAPI()
limiter = anyio.CapacityLimiter(3)


async def slow_down(wait: float):
    await anyio.to_thread.run_sync(time.sleep, wait, limiter=limiter)


@app.post("/orders/{number}", dependencies=[Depends(slow_down)])
async def order(number: int):
    return {"order": number, "state": "accepted"}
