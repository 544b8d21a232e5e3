import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/reports/{number}")
def report(number: int, wait: float):
    time.sleep(wait)
    return {"report": number, "status": "ready"}
