import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    while True:
        await asyncio.sleep(1)
    return {"report": number, "status": "ready"}
