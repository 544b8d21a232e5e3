import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


async def make_page(name):
    await asyncio.sleep(0)
    return thumbnail(name)


@app.get("/albums/{token}")
async def album(token: str):
    pages = await asyncio.gather(*(make_page(f"{token}-{number}") for number in (1, 2)))
    return {"album": token, "pages": pages}
