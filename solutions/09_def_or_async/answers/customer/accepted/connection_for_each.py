import os

import psycopg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


@app.get("/customers/{token}")
async def customer(token: str):
    async with await psycopg.AsyncConnection.connect(DATABASE) as connection:
        found = await connection.execute("SELECT price_of(%s)", [token])
        (credit,) = await found.fetchone()
    return {"customer": token, "credit": credit}
