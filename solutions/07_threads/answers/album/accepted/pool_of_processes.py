import asyncio
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI

from workshop import thumbnail


def make_pages(token):
    return [thumbnail(f"{token}-{number}") for number in (1, 2)]


@asynccontextmanager
async def lifespan(app):
    with ProcessPoolExecutor(max_workers=4) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/albums/{token}")
async def album(token: str):
    pages = await asyncio.get_running_loop().run_in_executor(app.state.pool, make_pages, token)
    return {"album": token, "pages": pages}
