import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/albums/{token}")
async def album(token: str):
    pages = await asyncio.gather(*(asyncio.to_thread(thumbnail, f"{token}-{number}") for number in (1, 2)))
    return {"album": token, "pages": pages}
