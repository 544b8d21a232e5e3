import asyncio
import os
import subprocess

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    process = await asyncio.to_thread(subprocess.Popen, [PRICE, token], stdout=subprocess.PIPE)
    output = process.stdout.read()
    return {"item": token, "price": int(output)}
