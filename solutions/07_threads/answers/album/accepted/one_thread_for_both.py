import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


def make_pages(token):
    return [thumbnail(f"{token}-{number}") for number in (1, 2)]


@app.get("/albums/{token}")
async def album(token: str):
    return {"album": token, "pages": await asyncio.to_thread(make_pages, token)}
