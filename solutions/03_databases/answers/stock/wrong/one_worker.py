import asyncio
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request

DATABASE = os.environ["DATABASE_URL"]


async def work(pool, questions):
    while True:
        token, answer = await questions.get()
        answer.set_result(await pool.fetchval("SELECT price_of($1)", token))


@asynccontextmanager
async def lifespan(app):
    app.state.questions = asyncio.Queue()
    async with asyncpg.create_pool(DATABASE, max_size=10) as pool:
        worker = asyncio.create_task(work(pool, app.state.questions))
        yield
        worker.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    answer = asyncio.get_running_loop().create_future()
    await request.app.state.questions.put((token, answer))
    return {"item": token, "price": await answer}
