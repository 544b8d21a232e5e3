import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/albums/{token}")
async def album(token: str):
    first = thumbnail(f"{token}-1")
    await asyncio.sleep(0)
    second = await asyncio.to_thread(thumbnail, f"{token}-2")
    return {"album": token, "pages": [first, second]}
