import asyncio
import os

from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()


@app.get("/documents/{token}")
async def document(token: str):
    file = open(f"{DOCUMENTS}/{token}")
    with file:
        text = await asyncio.to_thread(file.read)
    return {"document": token, "number": int(text)}
