import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/<<path>>/{number}")
def rate(number: int, wait: float):
    time.sleep(wait)
    return {"<<key>>": number, "times": <<factor>>}
