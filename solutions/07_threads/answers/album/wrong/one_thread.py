import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
pool = ThreadPoolExecutor(max_workers=1)


@app.get("/albums/{token}")
async def album(token: str):
    loop = asyncio.get_running_loop()
    pages = [await loop.run_in_executor(pool, thumbnail, f"{token}-{number}") for number in (1, 2)]
    return {"album": token, "pages": pages}
