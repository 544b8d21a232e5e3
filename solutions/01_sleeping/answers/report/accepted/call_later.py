import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.call_later(wait, ready.set_result, None)
    await ready
    return {"report": number, "status": "ready"}
