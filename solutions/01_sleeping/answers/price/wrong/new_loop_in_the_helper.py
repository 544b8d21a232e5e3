import asyncio

from fastapi import FastAPI

app = FastAPI()


def back_off(seconds):
    asyncio.new_event_loop().run_until_complete(asyncio.sleep(seconds))


def ask_supplier(item, wait):
    back_off(wait)
    return {"item": item, "supplier": "north"}


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    return ask_supplier(item, wait)
