import asyncio

from fastapi import FastAPI

app = FastAPI()
lock = asyncio.Lock()


@app.get("/<<path>>/{number}")
async def rate(number: int, wait: float):
    async with lock:
        await asyncio.sleep(wait)
    return {"<<key>>": number, "times": <<factor>>}
