import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request

from workshop import thumbnail


@asynccontextmanager
async def lifespan(app):
    with ThreadPoolExecutor(max_workers=8) as app.state.painters:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/pictures/{token}")
async def picture(token: str, request: Request):
    loop = asyncio.get_running_loop()
    number = await loop.run_in_executor(request.app.state.painters, thumbnail, token)
    return {"picture": token, "thumbnail": number}
