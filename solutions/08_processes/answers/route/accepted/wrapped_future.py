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
    number = await asyncio.wrap_future(app.state.pool.submit(route, token))
    return {"route": token, "number": number}
