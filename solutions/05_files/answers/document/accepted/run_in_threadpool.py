import os

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

DOCUMENTS = os.environ["DOCUMENTS"]


def read(token):
    with open(f"{DOCUMENTS}/{token}") as file:
        return file.read()


app = FastAPI()


@app.get("/documents/{token}")
async def document(token: str):
    text = await run_in_threadpool(read, token)
    return {"document": token, "number": int(text)}
