"""The town library: the app. Readers say that it is slow."""

import asyncio
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import desk
import journal
import requests
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse

SUPPLIER = os.environ["UPSTREAM_URL"]
RULES = Path(__file__).read_text().splitlines()[0]
binders = ThreadPoolExecutor(4)


@asynccontextmanager
async def lifespan(app):
    app.state.shelf = asyncio.Lock()
    yield
    binders.shutdown()


app = FastAPI(lifespan=lifespan)


async def reader(card: str = "none"):
    stamp = hashlib.pbkdf2_hmac("sha256", card.encode(), b"library", 400_000)
    return stamp.hex()[:8]


def opening_hours():
    return requests.get(f"{SUPPLIER}/items/hours?wait=0.1").json()


@app.get("/rules")
async def rules():
    return {"rules": RULES}


@app.get("/books/{number}")
async def book(number: int):
    offer = requests.get(f"{SUPPLIER}/items/{number}?wait=0.1")
    return {"book": number, "price": offer.json()["price"]}


@app.get("/magazines/{number}")
def magazine(number: int):
    offer = requests.get(f"{SUPPLIER}/items/{number}?wait=0.1")
    return {"magazine": number, "price": offer.json()["price"]}


@app.get("/maps/{number}")
async def city_map(number: int):
    offer = await asyncio.to_thread(requests.get, f"{SUPPLIER}/items/{number}?wait=0.1")
    return {"map": number, "price": offer.json()["price"]}


@app.get("/shelves/{number}")
async def shelf(number: int):
    async with app.state.shelf:
        await asyncio.sleep(0.05)
    return {"shelf": number}


@app.get("/cards")
async def card(stamp: Annotated[str, Depends(reader)]):
    return {"card": stamp}


@app.get("/today")
async def today(hours: Annotated[dict, Depends(opening_hours)]):
    return {"today": hours["price"] % 24}


@app.get("/labels/{number}")
async def label(number: int):
    return {"label": desk.label(number)}


@app.get("/binding/{number}")
async def binding(number: int):
    job = binders.submit(desk.bind, number)
    return {"bound": job.result()}


@app.get("/repairs/{number}")
async def repair(number: int):
    loop = asyncio.get_running_loop()
    return {"repaired": await loop.run_in_executor(binders, desk.bind, number)}


@app.post("/loans/{number}")
async def loan(number: int, after: BackgroundTasks):
    journal.log.warning("book %s is lent", number)
    after.add_task(desk.remind, number)
    return {"lent": number}


@app.post("/returns/{number}")
async def give_back(number: int, after: BackgroundTasks):
    after.add_task(desk.thank, number)
    return {"returned": number}


@app.get("/pages/{number}")
async def pages(number: int):
    return StreamingResponse(desk.scan(number))


@app.get("/covers/{number}")
async def covers(number: int):
    return StreamingResponse(desk.print_covers(number))


@app.get("/inventory", response_class=journal.Tidy)
async def inventory():
    return journal.Tidy(journal.everything())


@app.get("/fees/{number}")
async def fee(number: int):
    return {"fee": await desk.fee(number)}
