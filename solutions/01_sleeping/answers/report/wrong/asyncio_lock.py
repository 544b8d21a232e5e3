import asyncio

from fastapi import FastAPI

app = FastAPI()
lock = asyncio.Lock()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    async with lock:
        await asyncio.sleep(wait)
    return {"report": number, "status": "ready"}
