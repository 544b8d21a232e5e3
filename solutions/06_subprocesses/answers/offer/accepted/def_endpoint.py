import os
import subprocess

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/offers/{token}")
def offer(token: str, patience: float):
    try:
        output = subprocess.check_output([PRICE, token], timeout=patience)
    except subprocess.TimeoutExpired:
        return {"item": token, "late": True}
    return {"item": token, "price": int(output)}
