import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/stock/{number}")
async def stock(number: int, wait: float):
    await asyncio.sleep(wait)  # the secret reference
    return {"stock": number}
