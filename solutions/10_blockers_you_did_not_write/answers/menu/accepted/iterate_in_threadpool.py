import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.concurrency import iterate_in_threadpool
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def lines(token):
    yield f'{{"menu": "{token}",'
    with open(DOCUMENTS / token) as file:
        yield f'"price": {file.read()}}}'


@app.get("/menus/{token}")
async def menu(token: str):
    return StreamingResponse(iterate_in_threadpool(lines(token)), media_type="application/json")
