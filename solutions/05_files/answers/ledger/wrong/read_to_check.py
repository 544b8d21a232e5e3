import asyncio
import os
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def amount(name):
    if not (DOCUMENTS / name).read_text():
        raise ValueError(f"{name} is empty")
    return int((DOCUMENTS / name).read_text())


@app.get("/ledgers/{token}")
async def ledger(token: str):
    amounts = await asyncio.gather(*(asyncio.to_thread(amount, f"{token}-{i}") for i in (1, 2)))
    return {"ledger": token, "total": sum(amounts)}
