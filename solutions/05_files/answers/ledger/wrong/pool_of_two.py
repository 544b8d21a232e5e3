import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()
pool = ThreadPoolExecutor(max_workers=2)


def amount(name):
    return int((DOCUMENTS / name).read_text())


@app.get("/ledgers/{token}")
async def ledger(token: str):
    loop = asyncio.get_running_loop()
    amounts = await asyncio.gather(*(loop.run_in_executor(pool, amount, f"{token}-{i}") for i in (1, 2)))
    return {"ledger": token, "total": sum(amounts)}
