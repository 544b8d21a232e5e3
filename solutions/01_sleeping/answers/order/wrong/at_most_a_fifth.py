import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI

app = FastAPI()


async def throttle(wait: float):
    await asyncio.sleep(min(wait, 0.2))


@app.post("/orders/{number}")
async def order(number: int, _: Annotated[None, Depends(throttle)]):
    return {"order": number, "state": "accepted"}
