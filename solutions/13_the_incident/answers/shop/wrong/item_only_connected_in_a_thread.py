# ruff: noqa: F821 (sections that take the place of those in reference.py)
import psycopg2


# --- item: the price in the database


@app.get("/items/{token}")
async def item(token: str):
    connection = await asyncio.to_thread(psycopg2.connect, DATABASE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT price_of(%s)", [token])
        return {"item": token, "price": cursor.fetchone()[0]}
