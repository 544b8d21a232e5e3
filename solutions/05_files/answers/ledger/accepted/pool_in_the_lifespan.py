import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request

DOCUMENTS = Path(os.environ["DOCUMENTS"])


def amount(name):
    return int((DOCUMENTS / name).read_text())


@asynccontextmanager
async def lifespan(app):
    with ThreadPoolExecutor(max_workers=32) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/ledgers/{token}")
async def ledger(token: str, request: Request):
    reads = [request.app.state.pool.submit(amount, name) for name in [f"{token}-1", f"{token}-2"]]
    amounts = await asyncio.gather(*(asyncio.wrap_future(read) for read in reads))
    return {"ledger": token, "total": sum(amounts)}
