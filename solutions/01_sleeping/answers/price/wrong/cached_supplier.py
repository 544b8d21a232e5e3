import time
from functools import lru_cache

from fastapi import FastAPI

app = FastAPI()


@lru_cache
def back_off(seconds):
    time.sleep(seconds)


def ask_supplier(item, wait):
    back_off(wait)
    return {"item": item, "supplier": "north"}


@app.get("/prices/{item}")
def price(item: int, wait: float):
    return ask_supplier(item, wait)
