import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]


def read(token):
    with open(f"{DOCUMENTS}/{token}") as file:
        return file.read()


app = FastAPI()
pool = ThreadPoolExecutor(max_workers=1)


@app.get("/documents/{token}")
async def document(token: str):
    loop = asyncio.get_running_loop()
    text = await loop.run_in_executor(pool, read, token)
    return {"document": token, "number": int(text)}
