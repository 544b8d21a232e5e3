import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


async def back_off(seconds):
    await asyncio.to_thread(time.sleep, seconds)


async def ask_supplier(item, wait):
    await back_off(wait)
    return {"item": item, "supplier": "north"}


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    return await ask_supplier(item, wait)
