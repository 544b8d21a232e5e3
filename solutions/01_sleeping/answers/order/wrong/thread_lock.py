import threading
import time

from fastapi import Depends, FastAPI

app = FastAPI()
lock = threading.Lock()


def slow_down(wait: float):
    with lock:
        time.sleep(wait)


@app.post("/orders/{number}", dependencies=[Depends(slow_down)])
async def order(number: int):
    return {"order": number, "state": "accepted"}
