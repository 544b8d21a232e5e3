import os

import anyio
from fastapi import FastAPI

DOCUMENTS = os.environ["DOCUMENTS"]
app = FastAPI()


@app.get("/ledgers/{token}")
async def ledger(token: str):
    amounts = []

    async def read(name):
        amounts.append(int(await anyio.Path(DOCUMENTS, name).read_text()))

    async with anyio.create_task_group() as group:
        for name in [f"{token}-1", f"{token}-2"]:
            group.start_soon(read, name)
    return {"ledger": token, "total": sum(amounts)}
