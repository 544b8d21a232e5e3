import asyncio
from concurrent import futures
from contextlib import asynccontextmanager

from fastapi import FastAPI

from workshop import route

# from Python 3.14 on an interpreter with a GIL of its own does, in the same process
Pool = getattr(futures, "InterpreterPoolExecutor", futures.ProcessPoolExecutor)


@asynccontextmanager
async def lifespan(app):
    with Pool(max_workers=2) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/routes/{token}")
async def way(token: str):
    loop = asyncio.get_running_loop()
    number = await loop.run_in_executor(app.state.pool, route, token)
    return {"route": token, "number": number}
