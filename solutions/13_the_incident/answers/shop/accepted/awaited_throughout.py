# ruff: noqa: F821 (sections that take the place of those in reference.py)
import aiofiles
import psycopg


# --- basket: the supplier's prices for the two items of a basket


@app.get("/baskets/{token}")
async def basket(token: str, request: Request):
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(request.app.state.http.get(f"/items/{token}-{i}")) for i in (1, 2)]
    return {"basket": token, "total": sum(task.result().json()["price"] for task in asked)}


# --- item: the price in the database


@app.get("/items/{token}")
async def item(token: str):
    async with await psycopg.AsyncConnection.connect(DATABASE) as connection:
        cursor = await connection.execute("SELECT price_of(%s)", [token])
        return {"item": token, "price": (await cursor.fetchone())[0]}


# --- stock: how many are left, from the database, through the shared pool


def open_pool():
    return asyncpg.create_pool(DATABASE)


@app.get("/stock/{token}")
async def stock(token: str, request: Request):
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        return {"item": token, "left": await connection.fetchval("SELECT price_of($1)", token)}


# --- manual: sent in chunks; the number of its pages is in a slow file


async def pieces(token):
    yield f'{{"manual": "{token}", '
    async with aiofiles.open(DOCUMENTS / token) as file:
        yield f'"pages": {await file.read()}}}'


@app.get("/manuals/{token}")
async def manual(token: str):
    return StreamingResponse(pieces(token), media_type="application/json")


# --- member: a middleware looks up the points of every request that shows a card; the supplier knows them


class Recognise:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and (card := Request(scope).query_params.get("card")):
            answer = await app.state.http.get(f"/items/{card}")
            scope.setdefault("state", {})["points"] = answer.json()["price"]
        await self.app(scope, receive, send)


app.add_middleware(Recognise)


@app.get("/members")
async def member(card: str, request: Request):
    return {"card": card, "points": request.state.points}


# --- rate: fetched once for each currency, then cached


rates = {}


async def rate_of(token):
    return (await app.state.http.get(f"/items/{token}")).json()["price"]


@app.get("/rates/{token}")
async def rate(token: str):
    if token not in rates:
        rates[token] = asyncio.create_task(rate_of(token))
    return {"currency": token, "rate": await asyncio.shield(rates[token])}


# --- order: accepted at once; the supplier is informed after the response


telling = set()


async def tell_the_supplier(token):
    await app.state.http.get(f"/items/{token}")


@app.post("/orders/{token}")
async def order(token: str):
    task = asyncio.create_task(tell_the_supplier(token))
    telling.add(task)
    task.add_done_callback(telling.discard)
    return {"order": token, "accepted": True}


# --- search: what people search for is logged, and each log line is sent to the supplier


@app.get("/search")
async def search(words: str, background: BackgroundTasks):
    background.add_task(app.state.http.get, f"/items/{words}")
    return {"words": words, "found": []}
