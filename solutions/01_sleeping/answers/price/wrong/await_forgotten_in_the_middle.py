import asyncio

from fastapi import FastAPI

app = FastAPI()


async def back_off(seconds):
    await asyncio.sleep(seconds)


async def ask_supplier(item, wait):
    back_off(wait)
    return {"item": item, "supplier": "north"}


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    return await ask_supplier(item, wait)
