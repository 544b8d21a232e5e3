import asyncio
import os
from pathlib import Path

from fastapi import FastAPI

DOCUMENTS = Path(os.environ["DOCUMENTS"])
app = FastAPI()
under_way = {}


def amount(name):
    return int((DOCUMENTS / name).read_text())


def shared(name):
    if name not in under_way:
        under_way[name] = asyncio.create_task(asyncio.to_thread(amount, name))
        under_way[name].add_done_callback(lambda _: under_way.pop(name))
    return asyncio.shield(under_way[name])


@app.get("/ledgers/{token}")
async def ledger(token: str):
    amounts = await asyncio.gather(shared(f"{token}-1"), shared(f"{token}-2"))
    return {"ledger": token, "total": sum(amounts)}
