import os

from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, func, make_url, select
from sqlalchemy.orm import sessionmaker

DATABASE = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
new_session = sessionmaker(create_engine(DATABASE))


async def get_session():
    with new_session() as session:
        yield session


app = FastAPI()


@app.get("/items/{token}")
async def item(token: str, session=Depends(get_session)):
    price = session.scalar(select(func.price_of(token)))
    return {"item": token, "price": price}
