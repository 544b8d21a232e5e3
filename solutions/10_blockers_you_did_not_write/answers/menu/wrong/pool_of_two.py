import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()
pool = ThreadPoolExecutor(max_workers=2)


async def lines(token):
    yield f'{{"menu": "{token}",'
    price = await asyncio.get_running_loop().run_in_executor(pool, (DOCUMENTS / token).read_text)
    yield f'"price": {price}}}'


@app.get("/menus/{token}")
async def menu(token: str):
    return StreamingResponse(lines(token), media_type="application/json")
