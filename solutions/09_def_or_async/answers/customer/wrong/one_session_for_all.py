import os

from fastapi import FastAPI
from sqlalchemy import create_engine, func, make_url, select
from sqlalchemy.orm import sessionmaker

DATABASE = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
session = sessionmaker(create_engine(DATABASE))()
app = FastAPI()


@app.get("/customers/{token}")
def customer(token: str):
    credit = session.scalar(select(func.price_of(token)))
    return {"customer": token, "credit": credit}
