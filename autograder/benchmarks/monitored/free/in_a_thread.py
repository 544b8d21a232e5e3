"""It waits in a thread."""

import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
async def work():
    await asyncio.to_thread(time.sleep, 0.15)
