import os
import threading
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def amount(name):
    return int((DOCUMENTS / name).read_text())


@app.get("/ledgers/{token}")
async def ledger(token: str):
    amounts = []
    readers = [
        threading.Thread(target=lambda n=name: amounts.append(amount(n))) for name in [f"{token}-1", f"{token}-2"]
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return {"ledger": token, "total": sum(amounts)}
