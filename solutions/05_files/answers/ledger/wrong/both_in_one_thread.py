import asyncio
import os
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def amount(name):
    return int((DOCUMENTS / name).read_text())


def total(token):
    return amount(f"{token}-1") + amount(f"{token}-2")


@app.get("/ledgers/{token}")
async def ledger(token: str):
    return {"ledger": token, "total": await asyncio.to_thread(total, token)}
