import asyncio
import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


async def read(token):
    return (DOCUMENTS / token).read_text()


async def lines(token):
    reading = asyncio.create_task(read(token))
    yield f'{{"menu": "{token}",'
    yield f'"price": {await reading}}}'


@app.get("/menus/{token}")
async def menu(token: str):
    return StreamingResponse(lines(token), media_type="application/json")
