import os

import asyncpg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


@app.get("/stock/{token}")
async def stock(token: str):
    connection = await asyncpg.connect(DATABASE)
    try:
        price = await connection.fetchval("SELECT price_of($1)", token)
    finally:
        await connection.close()
    return {"item": token, "price": price}
