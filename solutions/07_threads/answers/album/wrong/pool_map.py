import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
pool = ThreadPoolExecutor(max_workers=8)


@app.get("/albums/{token}")
async def album(token: str):
    pages = list(pool.map(thumbnail, [f"{token}-1", f"{token}-2"]))
    await asyncio.sleep(0)
    return {"album": token, "pages": pages}
