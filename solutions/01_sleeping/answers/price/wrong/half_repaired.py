import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


async def back_off(seconds):
    await asyncio.sleep(seconds / 2)


async def ask_supplier(item, wait):
    await back_off(wait)
    time.sleep(wait / 2)
    return {"item": item, "supplier": "north"}


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    return await ask_supplier(item, wait)
