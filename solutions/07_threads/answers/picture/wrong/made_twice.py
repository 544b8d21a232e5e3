import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/pictures/{token}")
async def picture(token: str):
    if await asyncio.to_thread(thumbnail, token):
        return {"picture": token, "thumbnail": await asyncio.to_thread(thumbnail, token)}
