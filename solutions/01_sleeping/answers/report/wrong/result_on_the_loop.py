import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

app = FastAPI()
pool = ThreadPoolExecutor(max_workers=8)


@app.get("/reports/{number}")
async def report(number: int, wait: float):
    pool.submit(time.sleep, wait).result()
    return {"report": number, "status": "ready"}
