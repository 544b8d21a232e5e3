import asyncio
import os

import asyncpg
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


@app.get("/reservations/{token}")
async def reservation(token: str, patience: float):
    connection = await asyncpg.connect(DATABASE)
    try:
        price = await asyncio.wait_for(connection.fetchval("SELECT price_of($1)", token), patience)
    except TimeoutError:
        return {"item": token, "late": True}
    finally:
        await connection.close()
    return {"item": token, "price": price}
