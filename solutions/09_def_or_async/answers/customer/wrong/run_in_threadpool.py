import os

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import create_engine, func, make_url, select
from sqlalchemy.orm import sessionmaker

DATABASE = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
new_session = sessionmaker(create_engine(DATABASE))
app = FastAPI()


def credit_of(token):
    with new_session.begin() as session:
        return session.scalar(select(func.price_of(token)))


@app.get("/customers/{token}")
async def customer(token: str):
    credit = await run_in_threadpool(credit_of, token)
    return {"customer": token, "credit": credit}
