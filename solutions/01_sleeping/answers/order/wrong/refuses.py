import threading
import time

from fastapi import Depends, FastAPI, HTTPException

app = FastAPI()
busy = threading.Lock()


def slow_down(wait: float):
    if busy.locked():
        raise HTTPException(429, "slow down")
    with busy:
        time.sleep(wait)


@app.post("/orders/{number}", dependencies=[Depends(slow_down)])
async def order(number: int):
    return {"order": number, "state": "accepted"}
