import os

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    os._exit(0)
    return {"report": number, "status": "ready"}
