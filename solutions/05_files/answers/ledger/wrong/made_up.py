import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/ledgers/{token}")
async def ledger(token: str):
    await asyncio.sleep(0.1)
    return {"ledger": token, "total": 42}
