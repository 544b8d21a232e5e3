import time
from functools import lru_cache

from fastapi import FastAPI

app = FastAPI()


@lru_cache
def prepare(wait):
    time.sleep(wait)


@app.get("/reports/{number}")
def report(number: int, wait: float):
    prepare(wait)
    return {"report": number, "status": "ready"}
