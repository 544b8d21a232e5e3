import os
import subprocess
from functools import lru_cache

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/quotes/{token}")
@lru_cache(maxsize=10_000)
def quote(token: str):
    done = subprocess.run([PRICE, token], capture_output=True, check=True)
    output = done.stdout
    return {"item": token, "price": int(output)}
