import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    await asyncio.sleep(0.1)
    return {"item": token, "price": 42}
