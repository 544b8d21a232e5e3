import os
from contextlib import asynccontextmanager

import asyncpg
import httpx
from fastapi import FastAPI, Request

DATABASE, SUPPLIER = os.environ["DATABASE_URL"], os.environ["UPSTREAM_URL"]
QUERY = "SELECT price_of($1)"


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(DATABASE, max_size=10) as pool, httpx.AsyncClient(timeout=30) as client:
        app.state.pool, app.state.client = pool, client
        yield


app = FastAPI(lifespan=lifespan)


async def offer_for(token, client):
    reply = await client.get(f"{SUPPLIER}/items/{token}")
    return reply.json()["price"]


@app.get("/purchases/{token}")
async def purchase(token: str, request: Request):
    price = await request.app.state.pool.fetchval(QUERY, token)
    offer = offer_for(token, request.app.state.client)
    return {"item": token, "price": price, "offer": offer}
