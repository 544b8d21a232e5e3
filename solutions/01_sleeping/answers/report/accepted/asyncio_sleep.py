from asyncio import sleep

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    await sleep(wait)
    return {"report": number, "status": "ready"}
