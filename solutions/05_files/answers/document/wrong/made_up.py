import asyncio
import os

from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()


@app.get("/documents/{token}")
async def document(token: str):
    await asyncio.sleep(0.1)
    text = "42"
    return {"document": token, "number": int(text)}
