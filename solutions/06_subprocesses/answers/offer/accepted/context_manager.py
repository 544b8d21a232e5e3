import asyncio
import os
from contextlib import asynccontextmanager

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()


@asynccontextmanager
async def running(*words):
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@app.get("/offers/{token}")
async def offer(token: str, patience: float):
    async with running(PRICE, token) as process:
        try:
            async with asyncio.timeout(patience):
                line = await process.stdout.readline()
        except TimeoutError:
            return {"item": token, "late": True}
    return {"item": token, "price": int(line)}
