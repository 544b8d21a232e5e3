import os
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy import func, make_url, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

DATABASE = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
new_session = async_sessionmaker(create_async_engine(DATABASE, pool_size=30, max_overflow=30))
app = FastAPI()


async def get_session():
    async with new_session.begin() as session:
        yield session


@app.get("/customers/{token}")
async def customer(token: str, session: Annotated[AsyncSession, Depends(get_session)]):
    credit = await session.scalar(select(func.price_of(token)))
    return {"customer": token, "credit": credit}
