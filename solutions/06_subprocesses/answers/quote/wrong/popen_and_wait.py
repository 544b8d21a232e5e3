import os
import subprocess

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    process = subprocess.Popen([PRICE, token], stdout=subprocess.PIPE)
    process.wait()
    output = process.stdout.read()
    return {"item": token, "price": int(output)}
