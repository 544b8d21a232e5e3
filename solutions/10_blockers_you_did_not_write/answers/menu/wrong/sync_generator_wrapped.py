import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def pieces(token):
    yield f'{{"menu": "{token}",'
    yield f'"price": {(DOCUMENTS / token).read_text()}}}'


async def lines(token):
    for piece in pieces(token):
        yield piece


@app.get("/menus/{token}")
async def menu(token: str):
    return StreamingResponse(lines(token), media_type="application/json")
