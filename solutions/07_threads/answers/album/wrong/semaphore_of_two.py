import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
places = asyncio.Semaphore(2)


@app.get("/albums/{token}")
async def album(token: str):
    async with places:
        pages = [await asyncio.to_thread(thumbnail, f"{token}-{number}") for number in (1, 2)]
    return {"album": token, "pages": pages}
