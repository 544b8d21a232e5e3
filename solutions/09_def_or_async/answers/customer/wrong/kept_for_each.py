import os
from functools import lru_cache

from fastapi import FastAPI
from sqlalchemy import create_engine, func, make_url, select
from sqlalchemy.orm import sessionmaker

DATABASE = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
new_session = sessionmaker(create_engine(DATABASE, pool_size=40))
app = FastAPI()


@app.get("/customers/{token}")
@lru_cache(maxsize=1000)
def customer(token: str):
    with new_session.begin() as session:
        credit = session.scalar(select(func.price_of(token)))
    return {"customer": token, "credit": credit}
