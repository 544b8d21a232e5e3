import time

from fastapi import FastAPI, Request

app = FastAPI()


@app.middleware("http")
async def slow_down(request: Request, call_next):
    time.sleep(float(request.query_params.get("wait", 0)))
    return await call_next(request)


@app.post("/orders/{number}")
async def order(number: int):
    return {"order": number, "state": "accepted"}
