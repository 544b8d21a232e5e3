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
    with ThreadPoolExecutor(max_workers=2) as pool:
        amounts = pool.map(amount, [f"{token}-1", f"{token}-2"])
    return {"ledger": token, "total": sum(amounts)}
