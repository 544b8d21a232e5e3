import asyncio
import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


async def lines(token):
    yield f'{{"menu": "{token}", "price": '
    file = await asyncio.to_thread(open, DOCUMENTS / token)
    try:
        while piece := await asyncio.to_thread(file.read, 4096):
            yield piece
    finally:
        file.close()
    yield "}"


@app.get("/menus/{token}")
async def menu(token: str):
    return StreamingResponse(lines(token), media_type="application/json")
