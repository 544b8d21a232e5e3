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
# This lesson takes about 35 minutes. You need lesson 02, *Calling HTTP*: you know the lifespan of an app,
# and why a client is opened once and shared.
#
# You will see
#
# - what a query through psycopg2 in an `async def` endpoint does to everybody else;
# - the repair: a pool of connections that can be awaited, and the same race again;
# - the same repair in the words of psycopg 3 and SQLAlchemy, and for MySQL; and an honest one that keeps psycopg2;
# - what a connection costs, and what a pool saves;
# - four traps in the repair: the pool runs out, a connection is held for nothing, a transaction stays open,
#   an object loads its data behind your back;
# - when not to bother.
#
# A database is the service that an app asks most often. Many queries are quick, so the mistake hides well.
# Then one of them waits for a lock, or reads a large table, and the whole app waits with it.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## A database of our own
#
# The next cell starts a PostgreSQL server on this machine, for this notebook only. That takes a few seconds.
# It ends when the kernel ends. Its address goes into the environment. From there the apps will read it, as real apps do.
#
# psycopg2 is the most widely used **driver**: the library that speaks PostgreSQL's language.
# We connect with it and count the items of a small shop.

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
# The shop is empty. That does not matter: we need its waits and not its wares.
# PostgreSQL has a function for that. `SELECT pg_sleep(0.2)` is a query that takes 0.2 seconds and does nothing.
# In this lesson it stands in for whatever is slow in a real database.
#
# ## What goes wrong
#
# One endpoint searches. It connects, asks, and closes the connection. The other needs no database.

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


# %% [markdown]
# Ten guests search at once. Each search takes 0.2 seconds.

# %%
bad = await lab.race("/search?wait=0.2", n=10)
print(f"The quickest took {bad.quickest:.2f} s, all ten {bad.seconds:.2f} s: {bad.ratio:.1f} times as long.")

# %% [markdown]
# You know the staircase. Is the database too slow for ten guests? Let us ask the database.
#
# ## A prediction
#
# PostgreSQL keeps a list of its connections and of what each is doing, in a view called `pg_stat_activity`.
# While the next race runs, the notebook looks into it again and again.
# It counts the searches that are under way inside PostgreSQL at that moment.
#
# Six guests come together: five want to search, the second in the list asks only for the opening hours.
# How many searches is PostgreSQL busy with at the same time, at most?
# Write your number in the place of `None`, or leave it.

# %%
guess = lab.predict("searches at the same time, at most", None)

# %%
import asyncio

import asyncpg

onlooker = await asyncpg.connect(database.url)
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"

async def watched(paths, **more):
    """Race, and count meanwhile how many searches are under way in PostgreSQL at most."""
    race = asyncio.create_task(lab.race(paths, **more))
    most = 0
    while not race.done():
        most = max(most, await onlooker.fetchval(COUNT))
        await asyncio.sleep(0.01)
    return race.result(), most

wishes = ["/search?wait=0.3", "/hours"] + 4 * ["/search?wait=0.3"]
mixed, busy = await watched(wishes, title="five searches and the opening hours")
guess.beside(busy)

# %% [markdown]
# ## Who waited for whom
#
# The requests in the order in which they were answered:

# %%
before = 0.0
for place, request in enumerate(sorted(mixed.requests, key=lambda r: r.end), 1):
    after = request.end - before
    print(f"{place}. {request.route:8} answered at {request.end:.2f} s, {after:.2f} s after the one before")
    before = request.end

# %% [markdown]
# Three parties take part: the guests, the app's only thread, and the database.
#
# 1. The thread took a search. It connected, sent the query and came to the end of what it could do.
# 2. It stood still inside `cursor.execute`, until the rows were there.
# 3. PostgreSQL worked on this one query. It has a process for each connection and could have worked on all of them.
# 4. Nobody passed the other queries on. The operating system held the requests of their guests, and also that of the guest
#    who wanted only the opening hours.
# 5. The rows came. The thread closed the connection, answered, and took the next guest.
#
# So the database was not too slow. It was hardly busy. The queue stood in front of the app.
#
# ## The repair: a pool that can be awaited
#
# psycopg2 cannot be awaited. **asyncpg** is a driver for PostgreSQL that can.
#
# One `httpx.AsyncClient` was enough for a whole app. One connection is not: it carries one query at a time.
# An app needs a **pool**: a set of open connections that are lent out one by one and come back.
# The pool is opened once, in the lifespan. `as app.state.pool` keeps it on the app, where the endpoints find it.

# %%
# %%app shop_repaired.py
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


# %% [markdown]
# The lifespan puts the pool into `app.state`, and the endpoint takes it from there. Make the pool inside the lifespan,
# not when the file is imported: it belongs to the loop that is running when it is made.
#
# asyncpg writes `$1` where psycopg2 writes `%s`. `pool.execute` borrows a connection, asks, and gives it back.
# For rows there are `pool.fetch`, `pool.fetchrow` and `pool.fetchval`.
#
# The same ten guests, beside the first race on the same scale:

# %%
good = await lab.race("/search?wait=0.2", n=10, show=False)
lab.side_by_side(bad, good, titles=("psycopg2", "asyncpg, a pool"))
print(f"All ten took {bad.ratio:.1f} times as long as the quickest before, and {good.ratio:.1f} times now.")

mixed_again, busy_again = await watched(wishes, show=False)
hours = [race.requests[1].seconds for race in (mixed, mixed_again)]
print(f"Searches in PostgreSQL at the same time: {busy} before, {busy_again} now.")
print(f"The opening hours took {hours[0]:.2f} s before and {hours[1]:.2f} s now.")

# %% [markdown]
# At `await pool.execute(...)` the query is sent, and the loop notes: *wake me when this connection has something to read*.
# Then it takes the next guest, who borrows the next connection. Soon all searches are under way,
# each in its own process of PostgreSQL. No search became quicker. The queue is gone.
#
# ## The same repair in other words
#
# **psycopg 3** is the successor of psycopg2, and its module is called `psycopg`. It works both ways:
# `psycopg.connect` blocks, `psycopg.AsyncConnection.connect` is awaited. Its pool comes in a package of its own,
# `psycopg_pool`. It is not installed here, so the file below connects for each request.
# There you find `async with await`: the `await` connects, and the `async with` closes at the end.
# (On Windows, psycopg 3 cannot be awaited on the loop that Python uses there by default. Its manual says what to do.)
#
# **SQLAlchemy** is the library that most apps put between themselves and the driver. Its `create_async_engine` needs a driver
# that can be awaited. The word after the plus sign names it. An **engine** has a pool inside,
# and opens a connection when it is first needed. So it can be made when the file is imported.

# %%
# %%app shop_in_other_words.py
import os

import psycopg
from fastapi import FastAPI
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

DATABASE = os.environ["DATABASE_URL"]
engine = create_async_engine(make_url(DATABASE).set(drivername="postgresql+asyncpg"))
app = FastAPI()


@app.get("/psycopg")
async def with_psycopg(wait: float):
    async with await psycopg.AsyncConnection.connect(DATABASE) as connection:
        await connection.execute("SELECT pg_sleep(%s)", [wait])
    return {"found": 0}


@app.get("/sqlalchemy")
async def with_sqlalchemy(wait: float):
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_sleep(:wait)"), {"wait": wait})
    return {"found": 0}


# %%
psycopg3 = await lab.race("/psycopg?wait=0.2", n=5, show=False)
sqlalchemy = await lab.race("/sqlalchemy?wait=0.2", n=5, show=False)
lab.side_by_side(psycopg3, sqlalchemy, titles=("psycopg 3", "SQLAlchemy"))
for name, race in (("psycopg 3", psycopg3), ("SQLAlchemy", sqlalchemy)):
    print(f"{name}: five guests took {race.ratio:.1f} times as long as the quickest.")

# %% [markdown]
# ## The same with MySQL
#
# Other databases have such drivers, too. For MySQL and its sister MariaDB there is **PyMySQL**, which blocks,
# and **aiomysql**, which is built on it and can be awaited.
#
# Neither reads a URL. They want its parts, and `urlsplit` takes it apart. `SELECT SLEEP(0.2)` is what `pg_sleep` is called in MySQL.
# With `minsize=0` the pool opens its connections when they are first needed.

# %%
# %%app shop_mysql.py
import os
from contextlib import asynccontextmanager, closing
from urllib.parse import urlsplit

import aiomysql
import pymysql
from fastapi import FastAPI

url = urlsplit(os.environ.get("MYSQL_URL", "mysql://nobody@127.0.0.1:1/nothing"))
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


# %% [markdown]
# The next cell starts a server, if this machine has one, and serves the file once more: an app reads its environment
# when it starts. If there is none, the cell says how to get one. Go on in either case: you miss nothing but one more picture.

# %%
try:
    mysql = services.get("mysql")
    os.environ.update(mysql.environment)
except services.ServiceError as reason:
    mysql = None
    print(f"{reason}\nNo MySQL, no race. It would look like the first two races of this lesson.")

if mysql:
    lab.serve("shop_mysql.py")
    pymysql_race = await lab.race("/pymysql?wait=0.2", n=10, show=False)
    aiomysql_race = await lab.race("/aiomysql?wait=0.2", n=10, show=False)
    lab.side_by_side(pymysql_race, aiomysql_race, titles=("PyMySQL", "aiomysql"))
    for name, race in (("PyMySQL", pymysql_race), ("aiomysql", aiomysql_race)):
        print(f"{name}: ten guests took {race.ratio:.1f} times as long as the quickest.")

# %% [markdown]
# The two endpoints differ in the words `async` and `await`, and in where the connection comes from. SQLAlchemy speaks
# to MySQL as well: the word in front of the URL is then `mysql+aiomysql`.
#
# ## Keeping psycopg2
#
# Perhaps your queries sit deep in code that cannot change its driver. From lesson 01 you know what helps then: a `def` endpoint.
# Only the word `async` is gone.

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
print(f"psycopg2 in async def: {bad.ratio:.1f} times the quickest. In def: {threads.ratio:.1f} times.")

# %% [markdown]
# This is an honest repair, and for an app that has nothing but such endpoints perhaps the best.
# If the lane is hatched for a moment and says *the start of threads*, or if the canary is late once: ten threads
# were just started, and each opens a connection. Threads that are already there are used again; the next ten guests start none.
#
# Its limit is the thread pool of 40. And each search still opens a connection of its own.
#
# ## What a connection costs
#
# For every connection PostgreSQL starts a process, and both sides introduce themselves. How long does that take?
# The next cell asks 20 quick questions with a connection for each, then the same 20 through a pool.

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

print(f"A connection each: {1000 * connecting:.1f} ms a question. From the pool: {1000 * borrowing:.1f} ms.")
print(f"That is {connecting / borrowing:.0f} times as long. The pool had {places} connections.")

# %% [markdown]
# On this machine there is no network in between and no encryption. With them the difference grows.
# And nobody told the pool its size. The number above is asyncpg's own choice.
#
# So a pool saves time. It is also a limit, and it has to be: the server has one, too, for all its users together,
# and often a lower one for each user. What happens to those who come too late? The next cell opens connections
# until it is refused, and closes them all again.

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
print(f"This PostgreSQL allows {limit} connections in all. After {len(held)} of ours it said: {refusal}.")

# %% [markdown]
# Whoever comes then is refused, and does not wait. An app often runs as several processes, and each has its own pool.
# Their sizes add up.
#
# ## The first trap: the pool runs out
#
# By itself asyncpg's pool lets people wait without end. But `pool.acquire`, which lends a connection for as long as
# its `async with` lasts, can be given a `timeout`: how long to wait for one.
#
# Here the pool has five connections. One endpoint waits for a free one as long as it takes. The other waits at most 0.2 seconds.
# Then it answers with status 503, *too busy, try later*.

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
print(f"15 patient guests on five connections took {fives.ratio:.1f} times as long as the quickest.")
print(f"Prompt: answered with 200: {statuses.count(200)}. Sent away with 503: {statuses.count(503)}.")

# %% [markdown]
# On the left are three groups of five, as with the limit of a client in lesson 02. Every wait is awaited, and nobody holds the loop.
# So no tool that watches the loop will ever tell you about this queue.
#
# On the right those who were sent away know it early. They can try again, or show what they have.
# A long queue that nobody sees helps neither them nor the database.
#
# ## The second trap: held for nothing
#
# Here an endpoint asks the database and then a supplier. The supplier is a sleep of 0.3 seconds, awaited, as it should be.
# The two endpoints differ in one thing: where the second `await` is indented.

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
inside = await lab.race("/inside", n=15, show=False)
outside = await lab.race("/outside", n=15, show=False)
lab.side_by_side(inside, outside, titles=("inside the async with", "outside"))
print(f"With the supplier inside, 15 guests took {inside.seconds / outside.seconds:.1f} times as long.")

# %% [markdown]
# A guest who waits for the supplier needs no connection. On the left they hold one all the same,
# and the next five guests wait for it. Inside an `async with pool.acquire()` await the database, and nothing else.
#
# The same happens with a dependency that borrows a connection with `yield`: it is held for the whole request.
#
# ## The third trap: a transaction that stays open
#
# Do you remember `shopkeeper`, the connection of the first cells? It counted the items, long ago. What is it doing now?

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
# A **transaction** is a group of queries that count together or not at all. psycopg2 begins one with the first query,
# even if that only reads. It lasts until `commit`, `rollback` or `close`.
# psycopg 3 and SQLAlchemy do the same. So a connection that is held across some other wait is often *idle in transaction* as well.
#
# The lock of a reader is small, but nobody can alter the table while it is held. The lock of a writer is larger:
# whoever wants to change the same row waits until it is released. And once a transaction has written something,
# or if it runs at the level `REPEATABLE READ`, PostgreSQL cannot clear away rows that others have changed or deleted since.
#
# asyncpg begins no transaction by itself. With `async with connection.transaction():` you say where one begins and ends.
# With the others, let an `async with` or a `with` end it, and soon.
#
# ## The fourth trap: loading behind your back
#
# SQLAlchemy can turn rows into objects. Some attributes are not loaded with the object. They are **lazy**: the query is sent
# when you first touch them. Related objects are lazy unless you say otherwise, and so is a column that is `deferred`.
#
# In this file a setting of PostgreSQL is an object, and its description is lazy. The class says which table and which columns it stands for.
# A **session** loads such objects: it borrows a connection from the engine, and remembers what it has loaded.
# You do not need to know more about SQLAlchemy here.

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
loading = await lab.race(["/lazy/max_connections", "/eager/max_connections"], title="a lazy attribute")
for request in loading.requests:
    print(f"{request.route:24} status {request.status} {request.body}")
print("What the first endpoint met:", loading.errors[0]["type"])

# %% [markdown]
# There is no `await` in front of `.short_desc`, and there cannot be: it is an attribute. But a query has to be sent.
# With a blocking driver it would be sent, and the loop would stand still. The async engine refuses instead, with `MissingGreenlet`.
#
# So say what you need when you ask: `undefer` for a column, `selectinload` for related objects.
# And after a `commit` all attributes of an object are lazy again, unless its session was made with `expire_on_commit=False`.
# So that nobody forgets it, many apps make every session with the same `async_sessionmaker(engine, expire_on_commit=False)`.
#
# ## When not to bother
#
# - **Scripts, jobs, migrations.** Nobody else waits for them. psycopg2 is fine there.
# - **An app whose endpoints are all `def`.** It works, as far as the threads and the connections go.
# - **One user.** For one guest alone the repair changes little. See for yourself:

# %%
async def alone(file):
    lab.serve(file)
    race = await lab.race("/search?wait=0.2", n=1, show=False)
    return race.seconds

blocking, awaiting = await alone("shop.py"), await alone("shop_repaired.py")
print(f"One guest alone: {blocking:.2f} s with psycopg2, {awaiting:.2f} s with asyncpg.")

# %% [markdown]
# But do not trust a query because it is quick today. The tables grow, and locks come and go.
#
# ## What you have seen
#
# - A query through psycopg2 in an `async def` stands still on the loop. PostgreSQL gets one query at a time and is hardly busy,
#   while everybody waits.
# - An asyncpg pool, opened in the lifespan and awaited, has many queries under way at once.
# - `psycopg.AsyncConnection`, `create_async_engine` and, for MySQL, `aiomysql` are the same repair.
#   psycopg2 may stay in a `def` endpoint.
# - Connecting takes longer than a quick query. A pool keeps connections open, and limits how many there are.
# - A pool runs out: wait with a timeout and answer 503. Await nothing but the database while you hold a connection.
#   End transactions soon. Say from the start what an object should load.
# - A script, an app of `def` endpoints, a single user: leave it.
#
# ## Check yourself
#
# **1.** A pool has five connections. Each request queries for 0.1 seconds, then awaits a supplier for 0.9 seconds, all inside
# `async with pool.acquire()`. Ten guests come together. How long until all of them are served, and how long if the supplier is asked outside?
#
# <details><summary>Answer</summary>
#
# Inside, each holds a connection for 1 second. There are two groups of five, so 2 seconds. Outside, a connection is held for 0.1 seconds.
# The second group has its rows after 0.2 seconds, and everybody is done after 1.1.
#
# </details>
#
# **2.** After the repair the loop's lane is free, no canary is late, and yet guests wait at busy hours. PostgreSQL is nearly idle.
# Where do you look?
#
# <details><summary>Answer</summary>
#
# At the pool. Guests wait for a free connection, and a waiting coroutine blocks nobody. Perhaps the pool is too small.
# But look first for connections that are held across something else: they are *idle* or *idle in transaction* in `pg_stat_activity`.
#
# </details>
#
# ## Further reading
#
# - asyncpg, *Usage*, with a section on connection pools: https://magicstack.github.io/asyncpg/current/usage.html
# - Psycopg 3, *Concurrent operations*: https://psycopg.org/psycopg3/docs/advanced/async.html
# - Psycopg 3, *Transactions management*: https://psycopg.org/psycopg3/docs/basic/transactions.html
# - SQLAlchemy, *Asynchronous I/O*: https://sqlalchemy.org/docs/orm/extensions/asyncio.html
# - PostgreSQL, *The Cumulative Statistics System*: https://postgresql.org/docs/current/monitoring-stats.html
# - aiomysql, *Pool*: https://aiomysql.readthedocs.io/en/stable/pool.html
#
# Next: the exercise of this lesson, in the notebook `exercise_03_databases.ipynb` beside this one. It has two endpoints,
# and you already know both mistakes.
