import asyncio

from fastapi import FastAPI

app = FastAPI()


async def slow_down(wait: float):
    await asyncio.sleep(wait)


@app.post("/orders/{number}")
async def order(number: int):
    return {"order": number, "state": "accepted"}
