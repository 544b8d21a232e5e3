import asyncio
import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


async def lines(token, price):
    yield f'{{"menu": "{token}",'
    yield f'"price": {price}}}'


@app.get("/menus/{token}")
async def menu(token: str):
    price = await asyncio.to_thread((DOCUMENTS / token).read_text)
    return StreamingResponse(lines(token, price), media_type="application/json")
