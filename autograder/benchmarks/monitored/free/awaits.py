"""It awaits."""

import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
async def work():
    await asyncio.sleep(0.3)
