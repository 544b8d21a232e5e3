import os
import subprocess

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/tours/{token}")
def tour(token: str):
    first, second = [int(subprocess.check_output([PRICE, f"{token}-{i}"])) for i in (1, 2)]
    return {"tour": token, "total": first + second}
