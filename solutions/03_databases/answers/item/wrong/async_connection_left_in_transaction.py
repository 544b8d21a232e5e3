import os
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    async with await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"]) as app.state.connection:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/{token}")
async def item(token: str):
    cursor = await app.state.connection.execute("SELECT price_of(%s)", [token])
    return {"item": token, "price": (await cursor.fetchone())[0]}
