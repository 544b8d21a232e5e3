import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/albums/{token}")
async def album(token: str):
    pages = []
    for number in (1, 2):
        pages.append(asyncio.to_thread(thumbnail, f"{token}-{number}"))
        await asyncio.sleep(0)
    return {"album": token, "pages": pages}
