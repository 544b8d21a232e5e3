# ruff: noqa: F821 (sections that take the place of those in reference.py)
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import redis


# --- item: the price in the database


database = ThreadPoolExecutor(max_workers=10)


def price_in_database(token):
    connection = psycopg2.connect(DATABASE)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT price_of(%s)", [token])
            return cursor.fetchone()[0]
    finally:
        connection.close()


@app.get("/items/{token}")
async def item(token: str):
    asked = database.submit(price_in_database, token)
    return {"item": token, "price": await asyncio.wrap_future(asked)}


# --- stock: how many are left, from the database, through the shared pool


def open_pool():
    return asyncpg.create_pool(DATABASE, min_size=8, max_size=8)


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    async with request.app.state.pool.acquire(timeout=30) as connection:
        return {"item": token, "left": await connection.fetchval("SELECT price_of($1)", token)}


# --- quote: a price that an old program prints


@app.get("/quotes/{token}")
async def quote(token: str):
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    program = subprocess.Popen([QUOTE, token], stdout=subprocess.PIPE)
    threading.Thread(target=lambda: (program.wait(), loop.call_soon_threadsafe(ended.set))).start()
    await ended.wait()
    with program.stdout:
        return {"quote": token, "price": int(program.stdout.read())}


# --- order: accepted at once; the supplier is informed after the response


supplier = ThreadPoolExecutor(max_workers=1)


@app.post("/orders/{token}")
async def order(token: str):
    supplier.submit(requests.get, f"{SUPPLIER}/items/{token}")
    return {"order": token, "accepted": True}


# --- search: what people search for is logged, and each log line is sent to the supplier


class ToTheSupplier(logging.Handler):
    """One thread of its own, to which each record is handed."""

    def __init__(self):
        super().__init__()
        self.words = queue.Queue()
        threading.Thread(target=self.send, daemon=True).start()

    def emit(self, record):
        self.words.put(record.getMessage())

    def send(self):
        while True:
            requests.get(f"{SUPPLIER}/items/{self.words.get()}")


log = logging.getLogger("shop.search")
log.setLevel(logging.INFO)
log.addHandler(ToTheSupplier())


@app.get("/search")
async def search(words: str):
    log.info(words)
    return {"words": words, "found": []}
