import os
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

DATABASE = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")


@asynccontextmanager
async def lifespan(app):
    app.state.engine = create_async_engine(DATABASE)
    yield
    await app.state.engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{token}")
async def item(token: str, request: Request):
    async with request.app.state.engine.connect() as connection:
        price = await connection.scalar(text("SELECT price_of(:token)"), {"token": token})
    return {"item": token, "price": price}
