import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    ready_at = time.monotonic() + wait
    while time.monotonic() < ready_at:
        pass
    return {"report": number, "status": "ready"}
