import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    await asyncio.sleep(wait)
    number = 17
    return {"report": number, "status": "ready"}
