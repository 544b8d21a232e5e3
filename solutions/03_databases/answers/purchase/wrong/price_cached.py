import os
from contextlib import asynccontextmanager

import asyncpg
import httpx
from fastapi import FastAPI, Request

DATABASE, SUPPLIER = os.environ["DATABASE_URL"], os.environ["UPSTREAM_URL"]
prices = {}


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(DATABASE, max_size=10) as pool, httpx.AsyncClient(timeout=30) as client:
        app.state.pool, app.state.client = pool, client
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/purchases/{token}")
async def purchase(token: str, request: Request):
    if token not in prices:
        prices[token] = await request.app.state.pool.fetchval("SELECT price_of($1)", token)
    reply = await request.app.state.client.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "price": prices[token], "offer": reply.json()["price"]}
