import os

import aiofiles
from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()


@app.get("/documents/{token}")
async def document(token: str):
    async with aiofiles.open(f"{DOCUMENTS}/{token}") as file:
        text = file.read()
    return {"document": token, "number": int(text)}
