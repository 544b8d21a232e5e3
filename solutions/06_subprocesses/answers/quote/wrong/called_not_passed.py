import asyncio
import os
import subprocess

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]


def run(token):
    return subprocess.run([PRICE, token], capture_output=True, check=True).stdout


app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    output = await asyncio.to_thread(run(token))
    return {"item": token, "price": int(output)}
