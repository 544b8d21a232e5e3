import asyncio
import os
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()
under_way = {}


@app.get("/documents/{token}")
async def document(token: str):
    if token not in under_way:
        under_way[token] = asyncio.create_task(asyncio.to_thread((DOCUMENTS / token).read_text))
        under_way[token].add_done_callback(lambda _: under_way.pop(token))
    return {"document": token, "number": int(await asyncio.shield(under_way[token]))}
