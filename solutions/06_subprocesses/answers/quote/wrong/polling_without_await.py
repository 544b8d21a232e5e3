import os
import subprocess
import time

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    process = subprocess.Popen([PRICE, token], stdout=subprocess.PIPE)
    while process.poll() is None:
        time.sleep(0.03)
    output = process.stdout.read()
    return {"item": token, "price": int(output)}
