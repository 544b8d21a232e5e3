import asyncio

from fastapi import Depends, FastAPI

app = FastAPI()


async def slow_down(wait: float):
    asyncio.sleep(wait)


@app.post("/orders/{number}", dependencies=[Depends(slow_down)])
async def order(number: int):
    return {"order": number, "state": "accepted"}
