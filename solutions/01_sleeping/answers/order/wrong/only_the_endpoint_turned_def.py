import time

from fastapi import Depends, FastAPI

app = FastAPI()


async def slow_down(wait: float):
    time.sleep(wait)


@app.post("/orders/{number}", dependencies=[Depends(slow_down)])
def order(number: int):
    return {"order": number, "state": "accepted"}
