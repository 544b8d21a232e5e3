import asyncio
import os

from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]


def first_line(token):
    with open(f"{DOCUMENTS}/{token}") as file:
        return next(iter(file))


app = FastAPI()


@app.get("/documents/{token}")
async def document(token: str):
    text = await asyncio.to_thread(first_line, token)
    return {"document": token, "number": int(text)}
