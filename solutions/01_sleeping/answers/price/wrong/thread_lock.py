import threading
import time

from fastapi import FastAPI

app = FastAPI()
lock = threading.Lock()


def back_off(seconds):
    with lock:
        time.sleep(seconds)


def ask_supplier(item, wait):
    back_off(wait)
    return {"item": item, "supplier": "north"}


@app.get("/prices/{item}")
def price(item: int, wait: float):
    return ask_supplier(item, wait)
