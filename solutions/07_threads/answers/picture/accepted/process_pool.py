import asyncio
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI

from workshop import thumbnail


@asynccontextmanager
async def lifespan(app):
    with ProcessPoolExecutor(max_workers=4) as app.state.painters:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/pictures/{token}")
async def picture(token: str):
    loop = asyncio.get_running_loop()
    number = await loop.run_in_executor(app.state.painters, thumbnail, token)
    return {"picture": token, "thumbnail": number}
