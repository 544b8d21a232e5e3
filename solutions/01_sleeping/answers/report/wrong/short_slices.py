import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    for _ in range(10):
        time.sleep(wait / 10)
        await asyncio.sleep(0)
    return {"report": number, "status": "ready"}
