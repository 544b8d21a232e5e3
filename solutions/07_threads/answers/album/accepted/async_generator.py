import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


async def pages_of(token):
    for number in (1, 2):
        yield await asyncio.to_thread(thumbnail, f"{token}-{number}")


@app.get("/albums/{token}")
async def album(token: str):
    pages = [page async for page in pages_of(token)]
    return {"album": token, "pages": pages}
