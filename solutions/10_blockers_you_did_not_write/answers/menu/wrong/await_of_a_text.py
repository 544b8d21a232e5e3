import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


async def lines(token):
    yield f'{{"menu": "{token}",'
    price = await (DOCUMENTS / token).read_text()
    yield f'"price": {price}}}'


@app.get("/menus/{token}")
async def menu(token: str):
    return StreamingResponse(lines(token), media_type="application/json")
