import os
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def amount(name):
    return int((DOCUMENTS / name).read_text())


@app.get("/ledgers/{token}")
def ledger(token: str):
    amounts = map(amount, [f"{token}-1", f"{token}-2"])
    return {"ledger": token, "total": sum(amounts)}
