import os
import subprocess

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    process = subprocess.Popen([PRICE, token], stdout=subprocess.PIPE)
    try:
        output, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return {"item": token, "late": True}
    return {"item": token, "price": int(output)}
