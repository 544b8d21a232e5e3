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


@app.get("/rankings/{token}")
async def rank(token: str):
    number = await asyncio.wrap_future(app.state.pool.submit(ranking, token))
    return {"ranking": token, "number": number}
