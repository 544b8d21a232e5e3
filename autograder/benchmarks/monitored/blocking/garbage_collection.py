"""A full garbage collection of a large heap."""

import gc

from fastapi import FastAPI

app = FastAPI()
HEAP = [[] for _ in range(1_500_000)]


@app.get("/work")
async def work():
    gc.collect()  # blocks
