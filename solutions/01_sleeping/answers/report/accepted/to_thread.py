import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    await asyncio.to_thread(time.sleep, wait)
    return {"report": number, "status": "ready"}
