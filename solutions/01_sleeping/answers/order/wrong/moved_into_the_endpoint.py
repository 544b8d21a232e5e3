import time

from fastapi import FastAPI

app = FastAPI()


async def slow_down(seconds):
    time.sleep(seconds)


@app.post("/orders/{number}")
async def order(number: int, wait: float):
    await slow_down(wait)
    return {"order": number, "state": "accepted"}
