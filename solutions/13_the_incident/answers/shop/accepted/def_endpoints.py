# ruff: noqa: F821 (sections that take the place of those in reference.py)
import subprocess
import threading
import time

import psycopg2
import redis
from fastapi.concurrency import run_in_threadpool


# --- receipt: a printer that takes `wait` seconds


def printer(wait: float):
    time.sleep(wait)


@app.get("/receipts/{number}", dependencies=[Depends(printer)])
async def receipt(number: int):
    return {"receipt": number, "printed": True}


# --- offer: the price of an item, which the supplier knows, over HTTP


class Supplier:
    def offer(self, token):
        return self.get(f"/items/{token}")["price"]

    def get(self, path):
        return requests.get(SUPPLIER + path).json()


@app.get("/offers/{token}")
def offer(token: str):
    return {"item": token, "offer": Supplier().offer(token)}


# --- item: the price in the database


@app.get("/items/{token}")
def item(token: str):
    connection = psycopg2.connect(DATABASE)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT price_of(%s)", [token])
            return {"item": token, "price": cursor.fetchone()[0]}
    finally:
        connection.close()


# --- job: work for the back office, through Redis: pushed onto the list `jobs`; the result comes on `reply:{token}`


office = redis.Redis.from_url(REDIS, decode_responses=True)


@app.post("/jobs/{token}")
def job(token: str):
    office.rpush("jobs", token)
    _, result = office.blpop([f"reply:{token}"])
    return {"job": token, "result": int(result)}


# --- manual: sent in chunks; the number of its pages is in a slow file


@app.get("/manuals/{token}")
def manual(token: str):
    return {"manual": token, "pages": int((DOCUMENTS / token).read_text())}


# --- quote: a price that an old program prints


@app.get("/quotes/{token}")
def quote(token: str):
    printed = subprocess.run([QUOTE, token], capture_output=True, check=True).stdout
    return {"quote": token, "price": int(printed)}


# --- member: a middleware looks up the points of every request that shows a card; the supplier knows them


def points_of(card: str):
    return requests.get(f"{SUPPLIER}/items/{card}").json()["price"]


@app.get("/members")
async def member(card: str, points: int = Depends(points_of)):
    return {"card": card, "points": points}


# --- rate: fetched once for each currency, then cached


@lru_cache(maxsize=1000)
def rate_of(token):
    return requests.get(f"{SUPPLIER}/items/{token}").json()["price"]


rate_locks = {}


@app.get("/rates/{token}")
def rate(token: str):
    with rate_locks.setdefault(token, threading.Lock()):
        return {"currency": token, "rate": rate_of(token)}


# --- order: accepted at once; the supplier is informed after the response


def tell_the_supplier(token):
    requests.get(f"{SUPPLIER}/items/{token}")


@app.post("/orders/{token}")
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_supplier, token)
    return {"order": token, "accepted": True}
