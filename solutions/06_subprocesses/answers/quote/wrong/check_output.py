import os
import subprocess

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/quotes/{token}")
async def quote(token: str):
    output = subprocess.check_output([PRICE, token])
    return {"item": token, "price": int(output)}
