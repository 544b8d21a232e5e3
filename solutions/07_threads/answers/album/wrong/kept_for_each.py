import asyncio
from functools import lru_cache

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
page = lru_cache(maxsize=1000)(thumbnail)


@app.get("/albums/{token}")
async def album(token: str):
    pages = [await asyncio.to_thread(page, f"{token}-{number}") for number in (1, 2)]
    return {"album": token, "pages": pages}
