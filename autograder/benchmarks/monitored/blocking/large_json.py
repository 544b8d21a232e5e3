"""A large response is serialised on the loop."""

import json

from fastapi import FastAPI

app = FastAPI()
ROWS = [{"id": number, "name": f"item {number}"} for number in range(150_000)]


@app.get("/work")
async def work():
    return {"bytes": len(json.dumps(ROWS))}  # blocks
