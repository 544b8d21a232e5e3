import asyncio
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI

from workshop import route


@asynccontextmanager
async def lifespan(app):
    with ProcessPoolExecutor(max_workers=2) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/routes/{token}")
async def way(token: str):
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(app.state.pool, route, token)  # to warm up
    number = await loop.run_in_executor(app.state.pool, route, token)
    return {"route": token, "number": number}
