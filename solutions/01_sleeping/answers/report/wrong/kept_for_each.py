import time
from functools import lru_cache

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
@lru_cache(maxsize=10_000)
def report(number: int, wait: float):
    time.sleep(wait)  # the report is being prepared
    return {"report": number, "status": "ready"}
