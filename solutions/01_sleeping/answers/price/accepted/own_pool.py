import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

app = FastAPI()
pool = ThreadPoolExecutor(max_workers=16)


def back_off(seconds):
    time.sleep(seconds)


def ask_supplier(item, wait):
    back_off(wait)  # the supplier asks us to slow down
    return {"item": item, "supplier": "north"}


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, ask_supplier, item, wait)
