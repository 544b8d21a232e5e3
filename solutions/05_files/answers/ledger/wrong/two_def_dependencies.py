import os
from pathlib import Path

from fastapi import Depends, FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()


def first(token: str):
    return int((DOCUMENTS / f"{token}-1").read_text())


def second(token: str):
    return int((DOCUMENTS / f"{token}-2").read_text())


@app.get("/ledgers/{token}")
async def ledger(token: str, a: int = Depends(first), b: int = Depends(second)):
    return {"ledger": token, "total": a + b}
