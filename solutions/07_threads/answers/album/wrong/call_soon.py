import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


def make_page(part, name):
    part.set_result(thumbnail(name))


@app.get("/albums/{token}")
async def album(token: str):
    loop = asyncio.get_running_loop()
    parts = []
    for number in (1, 2):
        part = loop.create_future()
        loop.call_soon(make_page, part, f"{token}-{number}")
        parts.append(part)
    pages = [await part for part in parts]
    return {"album": token, "pages": pages}
