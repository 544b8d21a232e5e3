import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
painter = ThreadPoolExecutor(max_workers=1)


@app.get("/pictures/{token}")
async def picture(token: str):
    loop = asyncio.get_running_loop()
    number = await loop.run_in_executor(painter, thumbnail, token)
    return {"picture": token, "thumbnail": number}
