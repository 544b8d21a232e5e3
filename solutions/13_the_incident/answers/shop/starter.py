"""The corner shop: one app over PostgreSQL, Redis, a supplier's HTTP service, slow files and an old program."""

import logging
import os
import subprocess
import time
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path

import asyncpg
import httpx
import psycopg2
import redis
import redis.asyncio
import requests
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.responses import StreamingResponse

DATABASE = os.environ["DATABASE_URL"]
REDIS = os.environ["REDIS_URL"]
SUPPLIER = os.environ["UPSTREAM_URL"]
DOCUMENTS = Path(os.environ["DOCUMENTS"])
QUOTE = os.environ["PRICE_COMMAND"]


@asynccontextmanager
async def lifespan(app):
    """Open and close what the whole shop shares. Half of the routes don't use it yet."""
    app.state.redis = redis.asyncio.from_url(REDIS, decode_responses=True, socket_timeout=60)
    async with httpx.AsyncClient(base_url=SUPPLIER, timeout=60) as app.state.http, open_pool() as app.state.pool:
        yield
    await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan)


# --- receipt: a printer that takes `wait` seconds


async def printer(wait: float):
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
async def offer(token: str):
    return {"item": token, "offer": Supplier().offer(token)}


# --- basket: the supplier's prices for the two items of a basket


@app.get("/baskets/{token}")
async def basket(token: str, request: Request):
    total = 0
    for item in (f"{token}-1", f"{token}-2"):
        response = await request.app.state.http.get(f"/items/{item}")
        total += response.json()["price"]
    return {"basket": token, "total": total}


# --- item: the price in the database


@app.get("/items/{token}")
async def item(token: str):
    connection = psycopg2.connect(DATABASE)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT price_of(%s)", [token])
            return {"item": token, "price": cursor.fetchone()[0]}
    finally:
        connection.close()


# --- stock: how many are left, from the database, through the shared pool


def open_pool():
    return asyncpg.create_pool(DATABASE, min_size=1, max_size=1)


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    left = await request.app.state.pool.fetchval("SELECT price_of($1)", token)
    return {"item": token, "left": left}


# --- job: work for the back office, through Redis: pushed onto the list `jobs`; the result comes on `reply:{token}`


office = redis.Redis.from_url(REDIS, decode_responses=True, socket_timeout=60)


@app.post("/jobs/{token}")
async def job(token: str):
    office.rpush("jobs", token)
    _, result = office.blpop([f"reply:{token}"])
    return {"job": token, "result": int(result)}


# --- manual: sent in chunks; the number of its pages is in a slow file


async def pieces(token):
    yield f'{{"manual": "{token}", '
    pages = (DOCUMENTS / token).read_text()
    yield f'"pages": {pages}}}'


@app.get("/manuals/{token}")
async def manual(token: str):
    return StreamingResponse(pieces(token), media_type="application/json")


# --- quote: a price that an old program prints


@app.get("/quotes/{token}")
async def quote(token: str):
    printed = subprocess.run([QUOTE, token], capture_output=True, check=True).stdout
    return {"quote": token, "price": int(printed)}


# --- member: a middleware looks up the points of every request that shows a card; the supplier knows them


@app.middleware("http")
async def recognise(request: Request, call_next):
    card = request.query_params.get("card")
    if card:
        request.state.points = requests.get(f"{SUPPLIER}/items/{card}").json()["price"]
    return await call_next(request)


@app.get("/members")
async def member(card: str, request: Request):
    return {"card": card, "points": request.state.points}


# --- rate: fetched once for each currency, then cached


@lru_cache(maxsize=1000)
def rate_of(token):
    return requests.get(f"{SUPPLIER}/items/{token}").json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    return {"currency": token, "rate": rate_of(token)}


# --- order: accepted at once; the supplier is informed after the response


async def tell_the_supplier(token):
    requests.get(f"{SUPPLIER}/items/{token}")


@app.post("/orders/{token}")
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_supplier, token)
    return {"order": token, "accepted": True}


# --- search: what people search for is logged, and each log line is sent to the supplier


class ToTheSupplier(logging.Handler):
    def emit(self, record):
        requests.get(f"{SUPPLIER}/items/{record.getMessage()}")


log = logging.getLogger("shop.search")
log.setLevel(logging.INFO)
log.addHandler(ToTheSupplier())


@app.get("/search")
async def search(words: str):
    log.info(words)
    return {"words": words, "found": []}
