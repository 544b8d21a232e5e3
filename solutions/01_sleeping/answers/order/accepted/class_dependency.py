import asyncio

from fastapi import Depends, FastAPI

app = FastAPI()


class SlowDown:
    async def __call__(self, wait: float):
        await asyncio.sleep(wait)


@app.post("/orders/{number}", dependencies=[Depends(SlowDown())])
async def order(number: int):
    return {"order": number, "state": "accepted"}
