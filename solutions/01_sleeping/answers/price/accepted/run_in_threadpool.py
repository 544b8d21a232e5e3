import time

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

app = FastAPI()


def back_off(seconds):
    time.sleep(seconds)


def ask_supplier(item, wait):
    back_off(wait)  # the supplier asks us to slow down
    return {"item": item, "supplier": "north"}


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    return await run_in_threadpool(ask_supplier, item, wait)
