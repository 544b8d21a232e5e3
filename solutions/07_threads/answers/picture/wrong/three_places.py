import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI

from workshop import thumbnail


@asynccontextmanager
async def lifespan(app):
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(3))
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/pictures/{token}")
async def picture(token: str):
    return {"picture": token, "thumbnail": await asyncio.to_thread(thumbnail, token)}
