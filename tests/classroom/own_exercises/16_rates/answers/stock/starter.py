import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/stock/{number}")
async def stock(number: int, wait: float):
    time.sleep(wait)
    return {"stock": number}
