import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from sqlalchemy import create_engine, func, make_url, select

DATABASE, SUPPLIER = os.environ["DATABASE_URL"], os.environ["UPSTREAM_URL"]
engine = create_engine(make_url(DATABASE).set(drivername="postgresql+psycopg"), pool_size=10)


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(timeout=30) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


async def offer_for(token, client):
    reply = await client.get(f"{SUPPLIER}/items/{token}")
    return reply.json()["price"]


@app.get("/purchases/{token}")
async def purchase(token: str, request: Request):
    with engine.connect() as connection:
        price = connection.scalar(select(func.price_of(token)))
    offer = await offer_for(token, request.app.state.client)
    return {"item": token, "price": price, "offer": offer}
