import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()


@app.get("/pictures/{token}")
async def picture(token: str):
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor() as painters:
        future = loop.run_in_executor(painters, thumbnail, token)
    number = await future
    return {"picture": token, "thumbnail": number}
