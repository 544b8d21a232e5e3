import asyncio
import os

from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]


def read(token):
    with open(f"{DOCUMENTS}/{token}") as file:
        return file.read()


app = FastAPI()


@app.get("/documents/{token}")
async def document(token: str):
    text = await asyncio.to_thread(read(token))
    return {"document": token, "number": int(text)}
