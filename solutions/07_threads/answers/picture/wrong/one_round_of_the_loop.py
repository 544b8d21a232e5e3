import asyncio

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/pictures/{token}")
async def picture(token: str):
    await asyncio.sleep(0)
    number = thumbnail(token)
    return {"picture": token, "thumbnail": number}
