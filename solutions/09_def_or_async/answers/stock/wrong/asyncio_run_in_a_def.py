import asyncio
import os

import httpx
from fastapi import FastAPI

SUPPLIER = os.environ["UPSTREAM_URL"]
TRUSTED = httpx.create_ssl_context()
app = FastAPI()


async def stock_of(token):
    async with httpx.AsyncClient(timeout=60, verify=TRUSTED) as client:
        reply = await client.get(f"{SUPPLIER}/items/{token}")
    return reply.json()["price"]


@app.get("/stock/{token}")
def stock(token: str):
    return {"item": token, "stock": asyncio.run(stock_of(token))}
