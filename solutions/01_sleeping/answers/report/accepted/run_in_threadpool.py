import time

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    await run_in_threadpool(time.sleep, wait)
    return {"report": number, "status": "ready"}
