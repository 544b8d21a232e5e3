"""It computes in small steps, and lets the loop run between them."""

import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
async def work():
    for _ in range(50):
        end = time.thread_time() + 0.001
        while time.thread_time() < end:
            pass
        await asyncio.sleep(0)
