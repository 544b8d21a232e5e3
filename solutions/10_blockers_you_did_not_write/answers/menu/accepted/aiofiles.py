import os
from pathlib import Path

import aiofiles
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


async def lines(token):
    yield f'{{"menu": "{token}",'
    async with aiofiles.open(DOCUMENTS / token) as file:
        price = await file.read()
    yield f'"price": {price}}}'


@app.get("/menus/{token}")
async def menu(token: str):
    return StreamingResponse(lines(token), media_type="application/json")
