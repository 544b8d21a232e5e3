import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

app = FastAPI()
pool = ThreadPoolExecutor(max_workers=8)


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(pool, time.sleep, wait)
    return {"report": number, "status": "ready"}
