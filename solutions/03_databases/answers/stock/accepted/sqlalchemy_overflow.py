import os

from fastapi import FastAPI
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

DATABASE = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
app = FastAPI()
engine = create_async_engine(DATABASE, pool_size=1, max_overflow=19)


@app.get("/stock/{token}")
async def stock(token: str):
    async with engine.connect() as connection:
        price = await connection.scalar(text("SELECT price_of(:token)"), {"token": token})
    return {"item": token, "price": price}
