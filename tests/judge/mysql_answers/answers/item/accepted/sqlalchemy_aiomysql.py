import os

from fastapi import FastAPI
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(make_url(os.environ["MYSQL_URL"]).set(drivername="mysql+aiomysql"))
app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    async with engine.connect() as connection:
        price = await connection.scalar(text("SELECT price_of(:token)"), {"token": token})
    return {"item": token, "price": price}
