import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
pool = ThreadPoolExecutor(max_workers=8)


@app.get("/albums/{token}")
async def album(token: str):
    parts = [pool.submit(thumbnail, f"{token}-{number}") for number in (1, 2)]
    while not all(part.done() for part in parts):
        await asyncio.sleep(0.01)
    pages = [part.result() for part in parts]
    return {"album": token, "pages": pages}
