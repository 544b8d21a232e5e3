import asyncio

from fastapi import FastAPI

app = FastAPI()


async def slow_down(seconds: float):
    await asyncio.sleep(seconds)


@app.post("/orders/{number}")
async def order(number: int, wait: float):
    await slow_down(wait)
    return {"order": number, "state": "accepted"}
