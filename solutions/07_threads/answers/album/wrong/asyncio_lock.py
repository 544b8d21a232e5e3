import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
lock = asyncio.Lock()


@app.get("/albums/{token}")
async def album(token: str):
    async with lock:
        pages = [await asyncio.to_thread(thumbnail, f"{token}-{number}") for number in (1, 2)]
    return {"album": token, "pages": pages}
