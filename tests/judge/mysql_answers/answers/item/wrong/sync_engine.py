import os

from fastapi import FastAPI
from sqlalchemy import create_engine, make_url, text

engine = create_engine(make_url(os.environ["MYSQL_URL"]).set(drivername="mysql+pymysql"))
app = FastAPI()


@app.get("/items/{token}")
async def item(token: str):
    with engine.connect() as connection:
        price = connection.scalar(text("SELECT price_of(:token)"), {"token": token})
    return {"item": token, "price": price}
