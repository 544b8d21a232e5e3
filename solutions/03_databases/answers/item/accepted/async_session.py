import os

from fastapi import Depends, FastAPI
from sqlalchemy import func, make_url, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

DATABASE = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
new_session = async_sessionmaker(create_async_engine(DATABASE), expire_on_commit=False)


async def get_session():
    async with new_session() as session:
        yield session


app = FastAPI()


@app.get("/items/{token}")
async def item(token: str, session=Depends(get_session)):
    price = await session.scalar(select(func.price_of(token)))
    return {"item": token, "price": price}
