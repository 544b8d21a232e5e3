import os
from contextlib import asynccontextmanager

import httpx
from fastapi import Depends, FastAPI, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

DATABASE, SUPPLIER = os.environ["DATABASE_URL"], os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    app.state.engine = create_async_engine(DATABASE.replace("postgresql://", "postgresql+asyncpg://"))
    async with httpx.AsyncClient(timeout=30) as client:
        app.state.client = client
        yield
    await app.state.engine.dispose()


app = FastAPI(lifespan=lifespan)


async def session(request: Request):
    async with AsyncSession(request.app.state.engine) as session:
        yield session


@app.get("/purchases/{token}")
async def purchase(token: str, request: Request, session=Depends(session)):
    price = await session.scalar(text("SELECT price_of(:token)"), {"token": token})
    reply = await request.app.state.client.get(f"{SUPPLIER}/items/{token}")
    return {"item": token, "price": price, "offer": reply.json()["price"]}
