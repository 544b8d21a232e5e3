import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


def back_off(seconds):
    time.sleep(seconds)


def ask_supplier(item, wait):
    back_off(wait)  # the supplier asks us to slow down
    return {"item": item, "supplier": "north"}


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    return await asyncio.to_thread(ask_supplier, item, wait)
