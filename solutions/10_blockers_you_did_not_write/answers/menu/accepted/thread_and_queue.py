import asyncio
import os
import threading
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def read(token, loop, pieces):
    loop.call_soon_threadsafe(pieces.put_nowait, f'{{"menu": "{token}",')
    price = (DOCUMENTS / token).read_text()
    loop.call_soon_threadsafe(pieces.put_nowait, f'"price": {price}}}')
    loop.call_soon_threadsafe(pieces.put_nowait, None)


async def lines(token):
    pieces = asyncio.Queue()
    threading.Thread(target=read, args=(token, asyncio.get_running_loop(), pieces), daemon=True).start()
    while piece := await pieces.get():
        yield piece


@app.get("/menus/{token}")
async def menu(token: str):
    return StreamingResponse(lines(token), media_type="application/json")
