import os
import subprocess

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    output = await run_in_threadpool(subprocess.check_output, [PRICE, token])
    return {"item": token, "price": int(output)}
