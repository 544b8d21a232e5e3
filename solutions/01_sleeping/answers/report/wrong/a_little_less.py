import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    await asyncio.sleep(0.85 * wait)
    return {"report": number, "status": "ready"}
