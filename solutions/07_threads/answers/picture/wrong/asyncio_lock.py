import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
lock = asyncio.Lock()


@app.get("/pictures/{token}")
async def picture(token: str):
    async with lock:
        number = await asyncio.to_thread(thumbnail, token)
    return {"picture": token, "thumbnail": number}
