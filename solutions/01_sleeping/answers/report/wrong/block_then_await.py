import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    time.sleep(wait / 4)
    await asyncio.sleep(wait * 3 / 4)
    return {"report": number, "status": "ready"}
