import asyncio
import os
import subprocess

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    try:
        done = await asyncio.to_thread(subprocess.run, [PRICE, token], capture_output=True, timeout=patience)
    except subprocess.TimeoutExpired:
        return {"item": token, "late": True}
    return {"item": token, "price": int(done.stdout)}
