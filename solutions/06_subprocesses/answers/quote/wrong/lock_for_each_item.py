import asyncio
import os
from collections import defaultdict

from fastapi import FastAPI

PRICE = os.environ["PRICE_COMMAND"]
app = FastAPI()
locks = defaultdict(asyncio.Lock)


@app.get("/quotes/{token}")
async def quote(token: str):
    async with locks[token]:
        process = await asyncio.create_subprocess_exec(PRICE, token, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
    return {"item": token, "price": int(output)}
