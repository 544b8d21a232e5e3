import time

from fastapi import Depends, FastAPI

app = FastAPI()


async def slow_down(wait: float):
    time.sleep(wait)  # no client may send orders faster than this


@app.post("/orders/{number}", dependencies=[Depends(slow_down)])
async def order(number: int):
    return {"order": number, "state": "accepted"}
