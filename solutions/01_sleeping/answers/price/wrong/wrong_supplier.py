import asyncio

from fastapi import FastAPI

app = FastAPI()


async def ask_supplier(item, wait):
    await asyncio.sleep(wait)
    return {"item": item}


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    return await ask_supplier(item, wait)
