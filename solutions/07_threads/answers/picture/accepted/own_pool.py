import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
painters = ThreadPoolExecutor(max_workers=8)


@app.get("/pictures/{token}")
async def picture(token: str):
    loop = asyncio.get_running_loop()
    number = await loop.run_in_executor(painters, thumbnail, token)
    return {"picture": token, "thumbnail": number}
