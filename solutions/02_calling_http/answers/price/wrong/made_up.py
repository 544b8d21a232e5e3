import asyncio
import os

from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/prices/{token}")
async def price(token: str):
    await asyncio.sleep(0.1)
    return {"item": token, "price": 42}
