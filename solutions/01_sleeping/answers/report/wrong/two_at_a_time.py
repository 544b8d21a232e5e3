import asyncio

from fastapi import FastAPI

app = FastAPI()
places = asyncio.Semaphore(2)


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    async with places:
        await asyncio.sleep(wait)
    return {"report": number, "status": "ready"}
