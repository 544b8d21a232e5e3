import asyncio
import os

import asyncpg
from fastapi import FastAPI

app = FastAPI()
slow = []


@app.get("/reservations/{token}")
async def reservation(token: str, patience: float):
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    try:
        price = await asyncio.wait_for(connection.fetchval("SELECT price_of($1)", token), patience)
    except TimeoutError:
        slow.append(connection)  # to look into it later
        return {"item": token, "late": True}
    await connection.close()
    return {"item": token, "price": price}
