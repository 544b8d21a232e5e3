import asyncio
import os

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    await asyncio.sleep(0.1)
    output = b"42"
    return {"item": token, "price": int(output)}
