import asyncio
import os
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def amount(name):
    return int((DOCUMENTS / name).read_text())


@app.get("/ledgers/{token}")
async def ledger(token: str):
    async with asyncio.TaskGroup() as group:
        first = group.create_task(asyncio.to_thread(amount, f"{token}-1"))
        second = group.create_task(asyncio.to_thread(amount, f"{token}-2"))
    return {"ledger": token, "total": first.result() + second.result()}
