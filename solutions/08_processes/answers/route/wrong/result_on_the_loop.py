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
    number = app.state.pool.submit(route, token).result()
    return {"route": token, "number": number}
