import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def amount(name):
    return int((DOCUMENTS / name).read_text())


@app.get("/ledgers/{token}")
async def ledger(token: str):
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=2) as pool:
        reads = [loop.run_in_executor(pool, amount, f"{token}-{i}") for i in (1, 2)]
    amounts = await asyncio.gather(*reads)
    return {"ledger": token, "total": sum(amounts)}
