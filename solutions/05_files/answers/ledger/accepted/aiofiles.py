import asyncio
import os

import aiofiles
from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()


async def amount(name):
    async with aiofiles.open(f"{DOCUMENTS}/{name}") as file:
        return int(await file.read())


@app.get("/ledgers/{token}")
async def ledger(token: str):
    amounts = await asyncio.gather(amount(f"{token}-1"), amount(f"{token}-2"))
    return {"ledger": token, "total": sum(amounts)}
