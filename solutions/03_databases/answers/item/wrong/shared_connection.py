import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request

DATABASE = os.environ["DATABASE_URL"]


@asynccontextmanager
async def lifespan(app):
    app.state.connection = await asyncpg.connect(DATABASE)
    yield
    await app.state.connection.close()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{token}")
async def item(token: str, request: Request):
    price = await request.app.state.connection.fetchval("SELECT price_of($1)", token)
    return {"item": token, "price": price}
