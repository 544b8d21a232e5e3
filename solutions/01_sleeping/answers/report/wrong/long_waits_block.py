import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    if wait < 0.5:
        await asyncio.sleep(wait)
    else:
        time.sleep(wait)
    return {"report": number, "status": "ready"}
