# ruff: noqa: F821 (sections that take the place of those in reference.py)
import subprocess
import time

import psycopg2
import redis
from fastapi.concurrency import run_in_threadpool


# --- receipt: a printer that takes `wait` seconds


async def printer(wait: float):
    await run_in_threadpool(time.sleep, wait)


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
    return {"item": token, "offer": await run_in_threadpool(Supplier().offer, token)}


# --- basket: the supplier's prices for the two items of a basket


def price_of(item):
    return requests.get(f"{SUPPLIER}/items/{item}").json()["price"]


@app.get("/baskets/{token}")
async def basket(token: str):
    one, two = await asyncio.gather(
        run_in_threadpool(price_of, f"{token}-1"), run_in_threadpool(price_of, f"{token}-2")
    )
    return {"basket": token, "total": one + two}


# --- item: the price in the database


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
    return {"item": token, "price": await run_in_threadpool(price_in_database, token)}


# --- job: work for the back office, through Redis: pushed onto the list `jobs`; the result comes on `reply:{token}`


office = redis.Redis.from_url(REDIS, decode_responses=True)


def done_by_the_office(token):
    office.rpush("jobs", token)
    return int(office.blpop([f"reply:{token}"])[1])


@app.post("/jobs/{token}")
async def job(token: str):
    return {"job": token, "result": await run_in_threadpool(done_by_the_office, token)}


# --- manual: sent in chunks; the number of its pages is in a slow file


async def pieces(token):
    yield f'{{"manual": "{token}", '
    pages = await run_in_threadpool((DOCUMENTS / token).read_text)
    yield f'"pages": {pages}}}'


@app.get("/manuals/{token}")
async def manual(token: str):
    return StreamingResponse(pieces(token), media_type="application/json")


# --- quote: a price that an old program prints


@app.get("/quotes/{token}")
async def quote(token: str):
    printed = await run_in_threadpool(subprocess.check_output, [QUOTE, token])
    return {"quote": token, "price": int(printed)}


# --- member: a middleware looks up the points of every request that shows a card; the supplier knows them


def points_of(card):
    return requests.get(f"{SUPPLIER}/items/{card}").json()["price"]


@app.middleware("http")
async def recognise(request: Request, call_next):
    if card := request.query_params.get("card"):
        request.state.points = await run_in_threadpool(points_of, card)
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
        return {"currency": token, "rate": await run_in_threadpool(rate_of, token)}


# --- order: accepted at once; the supplier is informed after the response


async def tell_the_supplier(token):
    await run_in_threadpool(requests.get, f"{SUPPLIER}/items/{token}")


@app.post("/orders/{token}")
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_supplier, token)
    return {"order": token, "accepted": True}
