import os
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]


def read(token):
    with open(f"{DOCUMENTS}/{token}") as file:
        return file.read()


app = FastAPI()
pool = ThreadPoolExecutor(max_workers=16)


@app.get("/documents/{token}")
async def document(token: str):
    text = pool.submit(read, token).result()
    return {"document": token, "number": int(text)}
