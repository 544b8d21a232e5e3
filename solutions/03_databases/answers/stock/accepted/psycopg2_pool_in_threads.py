import os

from fastapi import FastAPI
from psycopg2.pool import ThreadedConnectionPool

pool = ThreadedConnectionPool(1, 40, os.environ["DATABASE_URL"])
app = FastAPI()


@app.get("/stock/{token}")
def stock(token: str):
    connection = pool.getconn()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT price_of(%s)", [token])
            price = cursor.fetchone()[0]
    finally:
        pool.putconn(connection)
    return {"item": token, "price": price}
