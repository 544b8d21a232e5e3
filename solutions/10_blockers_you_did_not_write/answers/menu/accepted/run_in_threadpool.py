import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


async def lines(token):
    yield f'{{"menu": "{token}",'
    yield f'"price": {await run_in_threadpool((DOCUMENTS / token).read_text)}}}'


@app.get("/menus/{token}")
async def menu(token: str):
    return StreamingResponse(lines(token), media_type="application/json")
