import asyncio
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]


def run(token):
    return subprocess.run([PRICE, token], capture_output=True, check=True).stdout


app = FastAPI()
pool = ThreadPoolExecutor(max_workers=16)


@app.get("/quotes/{token}")
async def quote(token: str):
    loop = asyncio.get_running_loop()
    output = await loop.run_in_executor(pool, run, token)
    return {"item": token, "price": int(output)}
