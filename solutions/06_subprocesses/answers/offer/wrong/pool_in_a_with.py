import asyncio
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    with ThreadPoolExecutor() as pool:
        run = asyncio.get_running_loop().run_in_executor(pool, subprocess.check_output, [PRICE, token])
        try:
            output = await asyncio.wait_for(run, patience)
        except TimeoutError:
            return {"item": token, "late": True}
    return {"item": token, "price": int(output)}
