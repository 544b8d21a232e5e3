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
under_way = {}


@app.get("/routes/{token}")
async def way(token: str):
    if token not in under_way:
        under_way[token] = asyncio.get_running_loop().run_in_executor(app.state.pool, route, token)
        under_way[token].add_done_callback(lambda _: under_way.pop(token))
    number = await asyncio.shield(under_way[token])
    return {"route": token, "number": number}
