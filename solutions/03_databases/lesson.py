# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: all
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Databases
#
# > **It happened.** Morpheus sends e-mails and text messages. Its `def` endpoints ran in 40 threads, but its database pool had only SQLAlchemy's default of 15 connections.
# > During a cutover, more than 15 requests arrived at once: getting a connection went from 3 ms to the full timeout of 30 s, and requests failed for ten minutes.
# > One `async def` endpoint queried the same pool with a blocking call, so the event loop froze as well, and even the non-blocking endpoints stalled.
# > ([morpheus#510](https://github.com/tutorcruncher/morpheus/pull/510))
#
# **About 25 minutes**, plus 20 for the sections marked "Deeper". You need lesson 02, *Calling HTTP*: what a lifespan is,
# and why a client is opened once and shared.
#
# You'll see
#
# - what a query through psycopg2 in an `async def` endpoint does to every other request;
# - the fix, a connection pool that can be awaited, and the same race again;
# - what a connection costs, what a pool saves, and what happens when the pool runs out;
# - a connection that's held while the request waits for something else;
# - how to keep psycopg2 if you have to.
#
# The database is the service that most apps call most often. Many queries are fast, so blocking calls go unnoticed.
# Then one query waits for a lock or scans a large table, and the whole app waits with it.
#
# The next cell loads the tools of the course. If it fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## A database of our own
#
# The next cell starts a PostgreSQL server on this machine, for this notebook only; it ends with the kernel.
# Its address goes into an environment variable, where the apps will find it.
#
# psycopg2 is the most widely used PostgreSQL **driver**, the library that speaks the database's protocol.
# Connect with it and count the items of a small shop:

# %%
import os

import psycopg2

from autograder import services

database = services.get("postgres")
os.environ.update(database.environment)

shopkeeper = psycopg2.connect(database.url)
cursor = shopkeeper.cursor()
cursor.execute("SELECT count(*) FROM items")
print("Items in the shop:", cursor.fetchone()[0])

# %% [markdown]
# The shop is empty, which doesn't matter: this lesson needs slow queries, not data. `SELECT pg_sleep(0.2)` is a query
# that takes 0.2 seconds and does nothing. It stands in for whatever is slow in a real database.
#
# ## A slow query makes a slow app
#
# One endpoint searches: it connects, queries, and closes the connection. The other one doesn't use the database. Ten clients search at once.

# %%
# %%app shop.py
import os
from contextlib import closing

import psycopg2
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


@app.get("/search")
async def search(wait: float):
    with closing(psycopg2.connect(DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [wait])
    return {"found": 0}


@app.get("/hours")
async def hours():
    return {"open": "9 to 5"}


# %%
bad = await lab.race("/search?wait=0.2", n=10)

# %% [markdown]
# Is the database too slow for ten clients? Ask the database.
#
# ## Which request waits for which
#
# PostgreSQL's view `pg_stat_activity` has a row for every connection and says what it's doing.
# During the next race, the notebook polls that view and remembers the largest number of searches that were active at the same time.
#
# Six requests arrive together: five searches and, second in the list, one for the opening hours.
# **How many searches does PostgreSQL work on at the same time, at most?**

# %%
guess = lab.predict("searches at the same time, at most", None)

# %%
import asyncio

import asyncpg

onlooker = await asyncpg.connect(database.url)
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"

async def busiest(work):
    """Run `work`; return its result, and how many searches PostgreSQL worked on at the same time, at most."""
    task, most = asyncio.ensure_future(work), 0
    while not task.done():
        most = max(most, await onlooker.fetchval(COUNT))
        await asyncio.sleep(0.01)
    return task.result(), most

wishes = ["/search?wait=0.3", "/hours"] + 4 * ["/search?wait=0.3"]
mixed, busy = await busiest(lab.race(wishes, title="five searches and the opening hours"))
guess.compare(busy)
lab.diagrams.loop("cursor.execute(...)", ["GET /hours", *4 * ["GET /search"]], blocked=True).show()

# %% [markdown]
# One. This is what happened:
#
# 1. The app's only thread took a search, connected, sent the query, and was suspended inside `cursor.execute` until the rows arrived.
# 2. PostgreSQL worked on this one query. It has a process per connection and could have worked on all of them, but the app hadn't sent the others.
# 3. The operating system held the other requests, including the one for the opening hours.
# 4. The rows arrived. The thread closed the connection, sent the response, and took the next request.
#
# So the database wasn't too slow. It was mostly idle; the requests waited in front of the app.
#
# ## The fix: a pool that you can await
#
# psycopg2 can't be awaited. **asyncpg** is a PostgreSQL driver that can.
#
# One `httpx.AsyncClient` was enough for a whole app. One connection isn't, because it carries one query at a time.
# An app needs a **connection pool**: a set of open connections that requests borrow and give back.
# It's created in the lifespan and not at import time, because it belongs to the event loop that's running when it's created.

# %%
# %%app shop_fixed.py
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(os.environ["DATABASE_URL"]) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/search")
async def search(wait: float):
    await app.state.pool.execute("SELECT pg_sleep($1)", wait)
    return {"found": 0}


@app.get("/hours")
async def hours():
    return {"open": "9 to 5"}


# %%
good = await lab.race("/search?wait=0.2", n=10, show=False)
lab.side_by_side(bad, good, titles=("psycopg2", "asyncpg, a pool"))

mixed_again, busy_again = await busiest(lab.race(wishes, show=False))
opening = [race.requests[1].seconds for race in (mixed, mixed_again)]
print(f"Searches in PostgreSQL at the same time: {busy} before, {busy_again} now.")
print(f"The opening hours took {opening[0]:.2f} s before and {opening[1]:.2f} s now.")

# %% [markdown]
# At `await pool.execute(...)` the request borrows a connection, sends its query, and hands control back to the loop until that connection has data.
# In the meantime the loop serves the next request, which borrows the next connection. (asyncpg writes `$1` where psycopg2 writes `%s`.
# For rows there are `pool.fetch`, `pool.fetchrow` and `pool.fetchval`.) No search got faster. The queue is gone.
#
# ## What a connection costs
#
# For every connection PostgreSQL starts a process, and client and server exchange a few messages before the first query.
# The next cell makes 20 fast queries with a connection for each, and the same 20 through a pool.

# %%
import time

started = time.perf_counter()
for _ in range(20):
    connection = await asyncpg.connect(database.url)
    await connection.fetchval("SELECT 1")
    await connection.close()
connecting = (time.perf_counter() - started) / 20

async with asyncpg.create_pool(database.url) as pool:
    places = pool.get_max_size()
    started = time.perf_counter()
    for _ in range(20):
        await pool.fetchval("SELECT 1")
    borrowing = (time.perf_counter() - started) / 20

print(f"A connection per query: {1000 * connecting:.1f} ms. From the pool: {1000 * borrowing:.1f} ms, {connecting / borrowing:.0f} times faster.")
print(f"This pool may hold up to {places} connections, asyncpg's default.")

# %% [markdown]
# There is no network and no encryption between this notebook and its database. With them, the difference grows.
#
# A pool saves time, and it also limits the number of connections. It has to, because the server has limits as well: one for all its clients together,
# and often a lower one per user. What does the server do beyond its limit? The next cell opens connections until it's refused.

# %%
limit = int(await onlooker.fetchval("SHOW max_connections"))
held, refusal = [], None
try:
    while len(held) <= limit:
        held.append(await asyncpg.connect(database.url))
except asyncpg.TooManyConnectionsError as error:
    refusal = error
for connection in held:
    await connection.close()
print(f"max_connections is {limit}. After {len(held)} connections of ours the server said: {refusal}.")

# %% [markdown]
# The server doesn't make the next client wait. It refuses. If it refused long before `max_connections`, you've met the lower limit: the course's own server allows
# the role `shop` 50 connections, and the app's pool and the notebook's other connections already hold a few of them.
#
# An app often runs as several worker processes with a pool each, and the server counts the connections of all of them together.
#
# ## The first trap: the pool runs out
#
# By default, asyncpg lets a request wait for a free connection without any limit. `pool.acquire`, which borrows a connection for an `async with` block,
# accepts a `timeout`. The pool below has five connections. One endpoint waits as long as it takes; the other waits 0.2 seconds at most,
# and then responds with status 503, *Service Unavailable*.

# %%
# %%app shop_of_five.py
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, HTTPException

@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=5, max_size=5) as app.state.pool:
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/patient")
async def patient(wait: float):
    await app.state.pool.execute("SELECT pg_sleep($1)", wait)

@app.get("/prompt")
async def prompt(wait: float):
    try:
        async with app.state.pool.acquire(timeout=0.2) as connection:
            await connection.execute("SELECT pg_sleep($1)", wait)
    except TimeoutError:
        raise HTTPException(503, "Too many searches, try later.") from None


# %%
fives = await lab.race("/patient?wait=1", n=15, show=False)
prompt = await lab.race("/prompt?wait=1", n=15, show=False)
lab.side_by_side(fives, prompt, titles=("patient", "prompt"))
statuses = [request.status for request in prompt.requests]
print(f"Prompt: {statuses.count(200)} requests got status 200, {statuses.count(503)} got 503.")

# %% [markdown]
# On the left are three groups of five, as with the connection limit in lesson 02. Every wait is awaited and the loop is free,
# so no tool that watches the loop will ever show you this queue.
#
# On the right, the requests that can't be served fail early, so their clients can retry, or show what they have.
# A long queue that no metric shows helps neither the clients nor the database.
#
# ### Your turn: size the pool
#
# `shop_of_five.py` is still being served. Change `n` and `wait`, predict the total, and run the cell.
# Then change `max_size` in the file above and race again. Which size would you need for 15 searches in one second?

# %%
n, wait = 12, 0.5  # change me
total = lab.predict(f"{n} patient searches of {wait} s", None, "s")
sized = await lab.race(f"/patient?wait={wait}", n=n, show=False)
total.compare(sized.seconds)

# %% [markdown]
# <details><summary>The rule</summary>
#
# `ceil(n / max_size)` rounds of `wait` seconds. With searches of one second you need as many connections as there are requests at the same time, so 15.
# In general you need *requests per second × seconds per request* connections: 100 requests per second that each hold a connection for 20 ms need two on average. (This is *Little's law*.)
#
# </details>
#
# ## The second trap: a connection held for nothing
#
# This endpoint queries the database and then calls a supplier. The call to the supplier is an awaited sleep of 0.3 seconds.
# The two versions differ in one thing: the indentation of the second `await`. **How much longer do 15 requests take on the left?**

# %%
# %%app shop_with_supplier.py
import asyncio
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=5, max_size=5) as app.state.pool:
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/inside")
async def inside():
    async with app.state.pool.acquire() as connection:
        await connection.execute("SELECT pg_sleep(0.05)")
        await asyncio.sleep(0.3)  # the supplier

@app.get("/outside")
async def outside():
    async with app.state.pool.acquire() as connection:
        await connection.execute("SELECT pg_sleep(0.05)")
    await asyncio.sleep(0.3)  # the supplier


# %%
longer = lab.predict("inside, compared with outside", None, "times as long")
inside = await lab.race("/inside", n=15, show=False)
outside = await lab.race("/outside", n=15, show=False)
lab.side_by_side(inside, outside, titles=("inside the async with", "outside"))
longer.compare(inside.seconds / outside.seconds)

# %% [markdown]
# A request that waits for the supplier doesn't need a connection. On the left it holds one anyway, so the next group of five has to wait.
# Inside `async with pool.acquire()`, await the database and nothing else. A dependency that borrows a connection and `yield`s it has the same effect:
# the connection is held for the whole request.
#
# ## Keeping psycopg2
#
# Perhaps your queries are deep inside code that can't change its driver. Then use a `def` endpoint, as in lesson 01: only the `async` keyword is gone.

# %%
# %%app shop_threads.py
import os
from contextlib import closing

import psycopg2
from fastapi import FastAPI

DATABASE = os.environ["DATABASE_URL"]
app = FastAPI()


@app.get("/search")
def search(wait: float):
    with closing(psycopg2.connect(DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [wait])
    return {"found": 0}


# %%
threads = await lab.race("/search?wait=0.2", n=10)

# %% [markdown]
# That's a correct fix, and for an app that only has such endpoints perhaps the best one. Its limit is the pool of 40 threads, and each search still pays for a new connection.
# The Deeper section below shows what happens when you add a connection pool to it.
#
# "Just use a thread" has a condition, though: what the threads share must be **thread-safe**, that is, correct when several threads use it at once.
# A connection pool is. A single connection shares its transaction among all its users, and an SQLAlchemy `Session` isn't thread-safe at all: use one per request.
#
# ## When not to bother
#
# - **Scripts, jobs, migrations.** No other request waits for them. psycopg2 is fine there.
# - **An app whose endpoints are all `def`.** It works, within the limits of its threads and connections.
#
# But don't rely on a query because it's fast today. Tables grow, and locks come and go.
#
# The core of the lesson ends here; the sections marked *Deeper* are optional.
#
# ## Deeper: a session pool smaller than the thread pool
#
# This is the incident from the top. `def` endpoints get their session from a dependency, as in many tutorials. There are 40 threads,
# and SQLAlchemy's pool has 5 connections plus an *overflow* of 10. The default `pool_timeout` is 30 seconds; here it's 1, so that you don't have to wait.
#
# ### Your turn: make them fit
#
# Run the race, then change the pool so that all 40 searches succeed. (The role's limit of 50 connections applies here, too, and this notebook still holds two of them.)

# %%
# %%app shop_sessions.py
import os
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.orm import Session

url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
engine = create_engine(url, pool_size=5, max_overflow=10, pool_timeout=1)
app = FastAPI()


def open_session():
    with Session(engine) as session:
        yield session


@app.get("/search")
def search(wait: float, session: Annotated[Session, Depends(open_session)]):
    session.execute(text("SELECT pg_sleep(:wait)"), {"wait": wait})
    return {"found": 0}


# %%
sessions = await lab.race("/search?wait=2", n=40, show=False)
served = [request.status for request in sessions.requests].count(200)
met = sorted({error.type.split(".")[-1] for error in sessions.errors})
print(f"Of 40 searches, {served} succeeded. Errors in the app: {', '.join(met) or 'none'}.")

# %% [markdown]
# <details><summary>Two ways to make them fit</summary>
#
# Raise the pool to the number of threads (`pool_size=40`), if the server allows that for all your workers together. Or lower the number of threads to the size of the pool,
# which lesson 09 shows; then the requests wait for a thread instead of failing. Raising `pool_timeout` alone only makes the threads wait longer.
#
# </details>
#
# A thread that waits for a connection is occupied, so it's missing for other `def` endpoints, even those that don't use the database.
# Lesson 09 measures that.
#
# ## Deeper: a transaction that stays open
#
# Remember `shopkeeper`, the connection of the first cells? It counted the items a while ago. What is it doing now?

# %%
ASK = "SELECT state, coalesce(now() - xact_start, '0') AS age FROM pg_stat_activity WHERE pid = $1"
LOCKS = "SELECT relation::regclass::text FROM pg_locks WHERE pid = $1 AND relation IS NOT NULL"
pid = shopkeeper.info.backend_pid

left_open = await onlooker.fetchrow(ASK, pid)
locks = [row[0] for row in await onlooker.fetch(LOCKS, pid)]
age = left_open["age"].total_seconds()
print(f"Its state: {left_open['state']}, for {age:.0f} s. It holds locks on {', '.join(locks)}.")

shopkeeper.rollback()
ended = await onlooker.fetchrow(ASK, pid)
locks_after = await onlooker.fetch(LOCKS, pid)
print(f"After the rollback: {ended['state']}. Locks on tables and indexes: {len(locks_after)}.")

# %% [markdown]
# A **transaction** is a group of queries that take effect together or not at all. psycopg2, psycopg 3 and SQLAlchemy begin one with the first query,
# even if it only reads, and it lasts until `commit`, `rollback` or `close`. So a connection that's held across another wait is often *idle in transaction*, too.
#
# A reader's lock is weak, but the table can't be altered in the meantime. A writer's lock is stronger: another transaction that wants to change the same row has to wait.
# And PostgreSQL can't remove old row versions that an open transaction with a snapshot may still need.
#
# asyncpg begins a transaction only where you write `async with connection.transaction():`. With the other drivers, use a `with` or `async with` block that ends the transaction, and keep it short.
#
# ## Deeper: an attribute that sends a query
#
# SQLAlchemy can turn rows into objects. Some of their attributes are **lazy**: the query is sent when you first read them.
# Related objects are lazy unless you say otherwise, and so is a column that's `deferred`.
#
# In this file a setting of PostgreSQL is an object with a deferred description. A **session** loads such objects through a connection of the engine.

# %%
# %%app settings.py
import os

from fastapi import FastAPI
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column, registry, undefer

app = FastAPI()
engine = create_async_engine(make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg"))

@registry().mapped
class Setting:
    __tablename__ = "pg_settings"
    name: Mapped[str] = mapped_column(primary_key=True)
    short_desc: Mapped[str] = mapped_column(deferred=True)

@app.get("/lazy/{name}")
async def lazy(name: str):
    async with AsyncSession(engine) as session:
        return (await session.get(Setting, name)).short_desc

@app.get("/eager/{name}")
async def eager(name: str):
    async with AsyncSession(engine) as session:
        return (await session.get(Setting, name, options=[undefer(Setting.short_desc)])).short_desc


# %%
loading = await lab.race(["/lazy/max_connections", "/eager/max_connections"], show=False)
for request in loading.requests:
    print(f"{request.route:24} status {request.status} {request.body}")
print("The first endpoint raised", loading.errors[0].type)

# %% [markdown]
# An attribute can't be awaited, but a query has to be sent. With a blocking driver it would be sent, and block the loop. The async engine refuses instead,
# with `MissingGreenlet`. So say what you need when you load the object: `undefer` for a column, `selectinload` for related objects.
# After a `commit` all attributes are lazy again, unless the session was made with `expire_on_commit=False`.
#
# ## Deeper: other drivers, and MySQL
#
# **psycopg 3** (the module is called `psycopg`) works both ways: `connect` blocks, `AsyncConnection.connect` is awaited.
# **SQLAlchemy** gets a `create_async_engine`, whose URL names an awaitable driver after the plus sign. Five queries with each, and again the view of the database:

# %%
import psycopg
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

async def with_psycopg():
    async with await psycopg.AsyncConnection.connect(database.url) as connection:
        await connection.execute("SELECT pg_sleep(0.5)")

engine = create_async_engine(make_url(database.url).set(drivername="postgresql+asyncpg"))

async def with_sqlalchemy():
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_sleep(0.5)"))

at_once = {query: (await busiest(asyncio.gather(*(query() for _ in range(5)))))[1] for query in (with_psycopg, with_sqlalchemy)}
print("Queries in PostgreSQL at the same time:", *(f"{query.__name__} {most}" for query, most in at_once.items()))
await engine.dispose()

# %% [markdown]
# For MySQL and its sister MariaDB, **PyMySQL** blocks and **aiomysql**, built on it, can be awaited. Neither reads a URL, so `urlsplit` takes it apart,
# and `pg_sleep` is called `SLEEP`. The cell after the app starts a server if this machine has one. If not, it says how to get one, and you can go on without.

# %%
# %%app shop_mysql.py
import os
from contextlib import asynccontextmanager, closing
from urllib.parse import urlsplit

import aiomysql
import pymysql
from fastapi import FastAPI

url = urlsplit(os.environ.get("MYSQL_URL", "mysql://none@127.0.0.1:1/none"))
SERVER = {"host": url.hostname, "port": url.port, "user": url.username, "password": url.password or ""}

@asynccontextmanager
async def lifespan(app):
    async with aiomysql.create_pool(**SERVER, minsize=0, maxsize=10) as app.state.pool:
        yield
app = FastAPI(lifespan=lifespan)
@app.get("/pymysql")
async def with_pymysql(wait: float):
    with closing(pymysql.connect(**SERVER)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT SLEEP(%s)", [wait])

@app.get("/aiomysql")
async def with_aiomysql(wait: float):
    async with app.state.pool.acquire() as connection, connection.cursor() as cursor:
        await cursor.execute("SELECT SLEEP(%s)", [wait])


# %%
try:
    mysql = services.get("mysql")
    os.environ.update(mysql.environment)
except services.ServiceError as reason:
    mysql = None
    print(f"{reason}\nNo MySQL, no race. It would look like the first two races of this lesson.")

if mysql:
    server = lab.serve("shop_mysql.py")  # once more: an app reads its environment when it starts
    pymysql_race = await lab.race("/pymysql?wait=0.2", n=10, show=False)
    aiomysql_race = await lab.race("/aiomysql?wait=0.2", n=10, show=False)
    lab.side_by_side(pymysql_race, aiomysql_race, titles=("PyMySQL", "aiomysql"))

# %% [markdown]
# ## Deeper: SQLite locks up the loop
#
# SQLite has no server and allows one writer at a time. A second writer waits inside the blocking call, for up to `timeout` seconds.
# Both endpoints of this ledger book an entry and call the bank, an awaited half second. One calls the bank within its transaction, the other before it.
# **What happens to three requests that arrive together?**

# %%
# %%app ledger.py
import asyncio
import os
import sqlite3
import tempfile
from contextlib import closing
from functools import partial

from fastapi import FastAPI

app, FILE = FastAPI(), os.path.join(tempfile.mkdtemp(), "ledger.db")
connect = partial(sqlite3.connect, FILE, timeout=1, isolation_level=None)
with closing(connect()) as db:
    db.execute("CREATE TABLE entries (amount)")
@app.post("/bank_inside")
async def bank_inside():
    with closing(connect()) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO entries VALUES (1)")
        await asyncio.sleep(0.5)  # the bank
        db.execute("COMMIT")
@app.post("/bank_first")
async def bank_first():
    await asyncio.sleep(0.5)  # the bank
    with closing(connect()) as db:
        db.execute("INSERT INTO entries VALUES (1)")


# %%
locked = await lab.race("/bank_inside", n=3, method="POST", show=False)
short = await lab.race("/bank_first", n=3, method="POST", show=False)
lab.side_by_side(locked, short, titles=("bank inside the transaction", "bank first"))
print("Errors on the left:", *(error.message for error in locked.errors), sep="\n  ")

# %% [markdown]
# On the left, the first request holds the write lock and awaits the bank. The second waits for that lock *on the loop*, so the first can't continue and release it.
# Only the timeout ends this **deadlock**, with an error. A longer `timeout`, which is the usual advice, makes each block longer.
# Keep transactions short, await nothing inside them, and move slow statements to a thread (`asyncio.to_thread`, or aiosqlite, which uses one).
#
# ## What you have seen
#
# - A query through psycopg2 in an `async def` blocks the loop. PostgreSQL gets one query at a time and is mostly idle while every request waits.
# - An asyncpg pool, opened in the lifespan and awaited, has many queries in progress at once. psycopg2 may stay in a `def` endpoint.
# - Connecting takes longer than a fast query. A pool keeps connections open, and limits their number.
# - A pool runs out. Wait with a timeout and respond with 503, and await nothing but the database while you hold a connection.
#
# ## Check yourself
#
# **1.** A pool has five connections. Each request queries for 0.1 seconds and then awaits a supplier for 0.9 seconds, all inside
# `async with pool.acquire()`. Ten requests arrive together. How long until all of them are done, and how long if the supplier is called outside?
#
# <details><summary>Answer</summary>
#
# Inside, each request holds a connection for 1 second, so two groups of five take 2 seconds. Outside, a connection is held for 0.1 seconds.
# The second group has its rows after 0.2 seconds, and all are done after 1.1.
#
# </details>
#
# **2.** After the fix the event loop lane is free, no canary is late, and yet requests are slow at busy hours. PostgreSQL is nearly idle.
# Where do you look?
#
# <details><summary>Answer</summary>
#
# At the pool. Requests wait for a free connection, and a waiting coroutine blocks nothing. Perhaps the pool is too small.
# But first look for connections that are held across something else: in `pg_stat_activity` they're *idle* or *idle in transaction*.
#
# </details>
#
# ## Words of this lesson
#
# - **driver**: the library that speaks a database's protocol, such as psycopg2 or asyncpg.
# - **connection pool**: a set of open connections that requests borrow and give back.
# - **transaction**: a group of queries that take effect together or not at all. *Idle in transaction*: open, and doing nothing.
# - **thread-safe**: correct even when several threads use it at the same time.
# - **session** (SQLAlchemy): the object that loads and saves objects through a connection. One per request.
# - **lazy loading**: a query that's sent when an attribute is first read.
# - **deadlock**: two tasks that wait for each other, so neither can go on.
#
# ## Further reading
#
# - asyncpg, *Usage*, with a section on connection pools: https://magicstack.github.io/asyncpg/current/usage.html
# - Psycopg 3, *Concurrent operations*: https://psycopg.org/psycopg3/docs/advanced/async.html
# - SQLAlchemy, *Asynchronous I/O*: https://sqlalchemy.org/docs/orm/extensions/asyncio.html
# - SQLAlchemy, *Connection Pooling*: https://docs.sqlalchemy.org/en/20/core/pooling.html
# - PostgreSQL, *The Cumulative Statistics System*: https://postgresql.org/docs/current/monitoring-stats.html
# - aiomysql, *Pool*: https://aiomysql.readthedocs.io/en/stable/pool.html
# - SQLite, *Set A Busy Timeout*: https://www.sqlite.org/c3ref/busy_timeout.html
#
# Next: the exercise of this lesson, in the notebook `exercise_03_databases.ipynb`. It has four endpoints: two with mistakes that you've just seen, and two that look right and are not.
