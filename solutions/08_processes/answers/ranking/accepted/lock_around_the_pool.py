import asyncio
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI

from workshop import ranking


@asynccontextmanager
async def lifespan(app):
    with ProcessPoolExecutor(max_workers=2) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)
lock = asyncio.Lock()


@app.get("/rankings/{token}")
async def rank(token: str):
    loop = asyncio.get_running_loop()
    async with lock:
        number = await loop.run_in_executor(app.state.pool, ranking, token)
    return {"ranking": token, "number": number}
