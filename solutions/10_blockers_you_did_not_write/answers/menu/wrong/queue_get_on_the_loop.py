import os
import queue
import threading
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def read(token, pieces):
    pieces.put((DOCUMENTS / token).read_text())


async def lines(token):
    pieces = queue.Queue()
    threading.Thread(target=read, args=(token, pieces), daemon=True).start()
    yield f'{{"menu": "{token}",'
    price = pieces.get()
    yield f'"price": {price}}}'


@app.get("/menus/{token}")
async def menu(token: str):
    return StreamingResponse(lines(token), media_type="application/json")
