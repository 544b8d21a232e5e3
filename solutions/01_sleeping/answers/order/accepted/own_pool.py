import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import Depends, FastAPI

app = FastAPI()
pool = ThreadPoolExecutor(max_workers=8)


async def slow_down(wait: float):
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(pool, time.sleep, wait)


@app.post("/orders/{number}", dependencies=[Depends(slow_down)])
async def order(number: int):
    return {"order": number, "state": "accepted"}
