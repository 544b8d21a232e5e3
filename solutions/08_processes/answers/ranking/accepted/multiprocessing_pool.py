import multiprocessing
from contextlib import asynccontextmanager

from fastapi import FastAPI

from workshop import ranking


@asynccontextmanager
async def lifespan(app):
    with multiprocessing.get_context("spawn").Pool(1) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/rankings/{token}")
def rank(token: str):
    number = app.state.pool.apply(ranking, [token])
    return {"ranking": token, "number": number}
