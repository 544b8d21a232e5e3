import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/<<path>>/{number}")
async def rate(number: int, wait: float):
    await asyncio.sleep(wait)  # the secret reference
    return {"<<key>>": number, "times": <<factor>>}
