import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/albums/{token}")
async def album(token: str):
    first = await asyncio.to_thread(thumbnail, f"{token}-1")
    second = await asyncio.to_thread(thumbnail, f"{token}-1")
    return {"album": token, "pages": [first, second]}
