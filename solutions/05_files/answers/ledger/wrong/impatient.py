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
    reads = [asyncio.create_task(asyncio.to_thread(amount, f"{token}-{i}")) for i in (1, 2)]
    done, _ = await asyncio.wait(reads, timeout=0.01)
    return {"ledger": token, "total": sum(read.result() for read in done)}
