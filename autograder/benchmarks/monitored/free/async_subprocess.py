"""It awaits a program."""

import asyncio
import sys

from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
async def work():
    process = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "import time; time.sleep(0.15)")
    await process.wait()
