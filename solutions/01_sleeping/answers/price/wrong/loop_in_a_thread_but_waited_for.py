import asyncio
import threading

from fastapi import FastAPI

app = FastAPI()


def back_off(seconds):
    thread = threading.Thread(target=asyncio.run, args=(asyncio.sleep(seconds),))
    thread.start()
    thread.join()


def ask_supplier(item, wait):
    back_off(wait)
    return {"item": item, "supplier": "north"}


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    return ask_supplier(item, wait)
