import os

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import create_engine, make_url, text

engine = create_engine(make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2"))


def price_of(token):
    with engine.connect() as connection:
        return connection.scalar(text("SELECT price_of(:token)"), {"token": token})


app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    return {"item": token, "price": await run_in_threadpool(price_of, token)}
