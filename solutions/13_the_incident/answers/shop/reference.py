"""The corner shop: one app over PostgreSQL, Redis, a supplier's HTTP service, slow files and an old program."""

import asyncio
import logging
import os
import queue
from collections import defaultdict
from contextlib import asynccontextmanager
from functools import lru_cache
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path

import asyncpg
import httpx
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
    """Open and close what the whole shop shares."""
    app.state.redis = redis.asyncio.from_url(REDIS, decode_responses=True, socket_timeout=60)
    async with httpx.AsyncClient(base_url=SUPPLIER, timeout=60) as app.state.http, open_pool() as app.state.pool:
        yield
    await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan)


# --- receipt: a printer that takes `wait` seconds


async def printer(wait: float):
    await asyncio.sleep(wait)


@app.get("/receipts/{number}", dependencies=[Depends(printer)])
async def receipt(number: int):
    return {"receipt": number, "printed": True}


# --- offer: the price of an item, which the supplier knows, over HTTP


class Supplier:
    async def offer(self, token):
        return (await self.get(f"/items/{token}"))["price"]

    async def get(self, path):
        return (await app.state.http.get(path)).json()


@app.get("/offers/{token}")
async def offer(token: str):
    return {"item": token, "offer": await Supplier().offer(token)}


# --- basket: the supplier's prices for the two items of a basket


@app.get("/baskets/{token}")
async def basket(token: str, request: Request):
    http = request.app.state.http
    answers = await asyncio.gather(http.get(f"/items/{token}-1"), http.get(f"/items/{token}-2"))
    return {"basket": token, "total": sum(answer.json()["price"] for answer in answers)}


# --- item: the price in the database


@app.get("/items/{token}")
async def item(token: str, request: Request):
    price = await request.app.state.pool.fetchval("SELECT price_of($1)", token)
    return {"item": token, "price": price}


# --- stock: how many are left, from the database, through the shared pool


def open_pool():
    return asyncpg.create_pool(DATABASE, min_size=1, max_size=20)


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    left = await request.app.state.pool.fetchval("SELECT price_of($1)", token)
    return {"item": token, "left": left}


# --- job: work for the back office, through Redis: pushed onto the list `jobs`; the result comes on `reply:{token}`


@app.post("/jobs/{token}")
async def job(token: str, request: Request):
    office = request.app.state.redis
    await office.rpush("jobs", token)
    _, result = await office.blpop([f"reply:{token}"])
    return {"job": token, "result": int(result)}


# --- manual: sent in chunks; the number of its pages is in a slow file


def pieces(token):
    yield f'{{"manual": "{token}", '
    pages = (DOCUMENTS / token).read_text()
    yield f'"pages": {pages}}}'


@app.get("/manuals/{token}")
async def manual(token: str):
    return StreamingResponse(pieces(token), media_type="application/json")


# --- quote: a price that an old program prints


@app.get("/quotes/{token}")
async def quote(token: str):
    program = await asyncio.create_subprocess_exec(QUOTE, token, stdout=asyncio.subprocess.PIPE)
    printed, _ = await program.communicate()
    return {"quote": token, "price": int(printed)}


# --- member: a middleware looks up the points of every request that shows a card; the supplier knows them


@app.middleware("http")
async def recognise(request: Request, call_next):
    card = request.query_params.get("card")
    if card:
        request.state.points = (await app.state.http.get(f"/items/{card}")).json()["price"]
    return await call_next(request)


@app.get("/members")
async def member(card: str, request: Request):
    return {"card": card, "points": request.state.points}


# --- rate: fetched once for each currency, then cached


@lru_cache(maxsize=1000)
def rate_of(token):
    return requests.get(f"{SUPPLIER}/items/{token}").json()["price"]


# two requests that come together must not both call the supplier
rate_locks = defaultdict(asyncio.Lock)


@app.get("/rates/{token}")
async def rate(token: str):
    async with rate_locks[token]:
        return {"currency": token, "rate": await asyncio.to_thread(rate_of, token)}


# --- order: accepted at once; the supplier is informed after the response


async def tell_the_supplier(token):
    await app.state.http.get(f"/items/{token}")


@app.post("/orders/{token}")
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_supplier, token)
    return {"order": token, "accepted": True}


# --- search: what people search for is logged, and each log line is sent to the supplier


class ToTheSupplier(logging.Handler):
    def emit(self, record):
        requests.get(f"{SUPPLIER}/items/{record.getMessage()}")


records = queue.SimpleQueue()
log = logging.getLogger("shop.search")
log.setLevel(logging.INFO)
log.addHandler(QueueHandler(records))
QueueListener(records, ToTheSupplier()).start()


@app.get("/search")
async def search(words: str):
    log.info(words)
    return {"words": words, "found": []}
