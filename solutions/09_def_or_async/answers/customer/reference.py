import os
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, func, make_url, select
from sqlalchemy.orm import Session, sessionmaker

DATABASE = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
# a connection for each of the 40 threads; the database allows 50
new_session = sessionmaker(create_engine(DATABASE, pool_size=40, max_overflow=0))
app = FastAPI()


def get_session():
    with new_session.begin() as session:
        yield session


@app.get("/customers/{token}")
def customer(token: str, session: Annotated[Session, Depends(get_session)]):
    credit = session.scalar(select(func.price_of(token)))
    return {"customer": token, "credit": credit}
