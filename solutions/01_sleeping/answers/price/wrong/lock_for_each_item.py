import asyncio
from collections import defaultdict

from fastapi import FastAPI

app = FastAPI()
locks = defaultdict(asyncio.Lock)


@app.get("/prices/{item}")
async def price(item: int, wait: float):
    async with locks[item]:  # the supplier is not asked twice for the same item at a time
        await asyncio.sleep(wait)
    return {"item": item, "supplier": "north"}
