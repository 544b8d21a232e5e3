import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/albums/{token}")
async def album(token: str):
    with ThreadPoolExecutor() as pool:
        parts = [pool.submit(thumbnail, f"{token}-{number}") for number in (1, 2)]
        await asyncio.sleep(0)
    pages = [part.result() for part in parts]
    return {"album": token, "pages": pages}
