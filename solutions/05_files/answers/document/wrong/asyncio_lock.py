import asyncio
import os

import aiofiles
from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()
lock = asyncio.Lock()


@app.get("/documents/{token}")
async def document(token: str):
    async with lock, aiofiles.open(f"{DOCUMENTS}/{token}") as file:
        text = await file.read()
    return {"document": token, "number": int(text)}
