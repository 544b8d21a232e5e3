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
# # Exercise 03: Databases
#
# A shop keeps its prices in PostgreSQL. One endpoint blocks the event loop during its query. The second leaves the loop free,
# but its requests still queue. The third works for a while, and then not at all, and the fourth is slow
# whenever a service that it calls is slow. Fix them, one after the other.
# **About 40 minutes.** You need lesson 03, *Databases*.
#
# Each endpoint has a cell that begins with `%%app`. That cell is the whole file: change whatever you like in it,
# but keep the paths and the responses as they are. Run the cell after every change, which saves the file and serves it.
# Keep the first line, `%%app ...`, or nothing is saved. Line numbers in messages count it as line 1.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **correct responses**: the right values, really fetched from the database |
# | 2 | **concurrency**: the queries are in progress at the same time, and the loop stays free for others |
#
# Two check cells follow each app. The first one sends single requests and looks at the responses.
# The second one sends a few requests together and draws the timeline. A check tries once; the hidden tests try several times, with other values.
#
# If a check doesn't pass yet, it says *Not yet* and why. Nothing is broken then: fix the file and run the check again.
#
# The next cell loads the tools of the course, and `checks.here()` also starts a PostgreSQL server for this notebook, and the supplier's HTTP service.
# Both listen on this machine only and end with the kernel. Your app finds their addresses in the environment variables `DATABASE_URL` and `UPSTREAM_URL`.
# If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
# close it and start it with `./course lab`. After a restart of the kernel, run this cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## The database
#
# All endpoints send the same query. They need no table, only a function that's defined in the database:
#
# ```sql
# SELECT price_of('a1b2c3')
# ```
#
# It returns the price of one item, a whole number. It may be fast, and it may take seconds: a real database is
# busy at times, or waits for a lock that another transaction holds.
#
# The checks add their own items before they send requests. For a word that the database doesn't know, the price is `NULL`.

# %% [markdown]
# ## 1. The price of an item
#
# `GET /items/{token}` looks up the price of one item. The token is the word that identifies it. The response looks like this,
# with a price that only the database knows:
#
# `{"item": "a1b2c3", "price": 271828}`
#
# It uses psycopg2, the most widely used PostgreSQL **driver**.
#
# **The rule:** call `price_of` once for every request, even if the same item was requested before or is being requested at the same moment.
# Don't give up early: the query may take several seconds.
# **The goal:** while one request waits for the database, the app serves all others.
#
# <details><summary>Hint 1: a question</summary>
#
# Two calls in this endpoint wait for the database. Which two, and on which thread do they wait?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways, as with `requests` in lesson 02. One replaces the driver by one that can be awaited; then both calls have to change,
# and so does the placeholder in the query. The other keeps psycopg2 and changes the thread on which it waits.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# If you replace the driver: which object should exist once per app, and where in the app's life is it created? What does a request borrow from it, and for how long?
# A price is a single value, and asyncpg has a method that returns just that.
# If you keep the driver, removing one keyword is enough.
#
# </details>
#
# **What this check does not look for:** whether each request opens a connection of its own (lesson 03 shows what that costs), and a query
# that takes much longer than a few seconds.
#
# This is the timeline to aim for. Compare the event loop lane, not the bars: their length depends on the check.

# %%
exercise.target("item")

# %% [markdown]
# This is the file to fix:

# %% app="item"
# %%app item.py

# %% answers="item"
"""Correct responses: every item comes with the price that the database has for it."""
await exercise.answers("item")

# %% [markdown]
# The next check is a **rendezvous**: it holds a lock that `price_of` needs, so every query waits inside PostgreSQL
# until the queries of all requests have arrived there. PostgreSQL itself says which queries are waiting.
# If they meet there, they were certainly in progress at the same time; if they don't, the check says what kept them apart.
#
# So the seconds in this timeline are those of the check, and a queue doesn't have to look like a staircase.
# Look at the event loop lane, and read the message below the picture.

# %% concurrency="item"
"""Concurrency: the queries of all requests are in the database at one moment, and the loop stays free."""
await exercise.race("item")
### BEGIN HIDDEN TESTS
await exercise.concurrency("item")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A pool of one
#
# `GET /stock/{token}` sends the same query and has the same response:
#
# `{"item": "a1b2c3", "price": 271828}`
#
# A colleague has already replaced the driver. There is asyncpg, and a connection pool that's opened in the lifespan. No line blocks the loop.
# And yet, when `price_of` takes a second, the last of ten requests that arrive together waits ten seconds for its response.
#
# **The rule:** call `price_of` once for every request, don't give up early, and don't reject any request.
# **The goal:** ten requests that arrive together have their queries in progress at the same time, and the loop stays free.
#
# <details><summary>Hint 1: a question</summary>
#
# A connection carries one query at a time. While a query is in progress, what do the other requests wait for?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Look at the arguments of `create_pool`, and at the "Your turn: size the pool" in lesson 03. One argument says how many connections are opened at the start,
# another how many there may be at most. When all of them are borrowed, the next query waits; that leaves the loop free, but it's a queue.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Change one number. The rule gives you its lower bound. For an upper bound ask the server: `SHOW max_connections` is the limit for all clients together,
# and a role can have a lower one of its own (`SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user`). Every worker of every app needs its share.
#
# </details>
#
# **What this check does not look for:** a query that takes much longer than a few seconds, and a pool that may grow larger than the server allows. It may also send fewer requests at once than the ten of the goal.
#
# This is the timeline to aim for. The event loop lane is free before the fix as well, and the bars may look
# much the same, because the check releases the lock soon after it has seen the queue. This time, read the message to see the difference.

# %%
exercise.target("stock")

# %% [markdown]
# This is the file to fix. Before you change it, run the three cells as they are. What does the second check say that it didn't say about `item.py`?

# %% app="stock"
# %%app stock.py

# %% answers="stock"
"""Correct responses: every item comes with the price that the database has for it."""
await exercise.answers("stock")

# %% concurrency="stock"
"""Concurrency: the queries of all requests are in the database at one moment, and the loop stays free."""
await exercise.race("stock")
### BEGIN HIDDEN TESTS
await exercise.concurrency("stock")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A reservation in time
#
# `GET /reservations/{token}?patience=2.5` asks for the price as well, but its client can't wait forever. If the database replies within `patience` seconds, the response is
#
# `{"item": "a1b2c3", "price": 271828}`
#
# and otherwise
#
# `{"item": "a1b2c3", "late": true}`
#
# The timeout is new: it was added after a night on which the database was slow. It works: a client gets its response in time, with a price or without. But during the next slow night
# the service stopped responding, and it didn't recover: the loop was free and the database had been fast again for hours, and still no request got a response.
#
# **The rule:** call `price_of` once for every request. When a request gives up, its query must have ended, and its connection must be free for others.
# **The goal:** ten requests that arrive together have their queries in progress at the same time, and the loop stays free.
#
# <details><summary>Hint 1: a question</summary>
#
# How many ways lead out of the function? What has each of them done with the connection?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# The check says after how many late requests others got no response. Compare that number with an argument of `create_pool`.
# Then look up how Python makes sure that something happens on every way out of a block, even one that you didn't think of.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Borrow the connection in a way that returns it by itself. Then decide what the timeout covers: the query alone, or the wait for a free connection as well. A client
# that waits for a full pool is late, too.
#
# Before you move the query into a task or a thread: which of the two ends the query when you stop waiting for it?
#
# </details>
#
# **What this check does not look for:** what else could end a request, such as a client that disconnects. And a leak that is smaller than the pool: with a
# hundred connections, the service would stop after the hundredth late request, not the tenth.
#
# This is the timeline to aim for. The check also sends requests that give up, which the picture doesn't show.

# %%
exercise.target("reservation")

# %% [markdown]
# This is the file to fix:

# %% app="reservation"
# %%app reservation.py

# %% answers="reservation"
"""Correct responses: every item comes with the price that the database has for it."""
await exercise.answers("reservation")

# %% concurrency="reservation"
"""Concurrency: all queries are in the database at one moment, the loop stays free, and a request that gives up leaves nothing behind."""
await exercise.race("reservation")
### BEGIN HIDDEN TESTS
await exercise.concurrency("reservation")
### END HIDDEN TESTS

# %% [markdown]
# ## 4. A purchase
#
# `GET /purchases/{token}` responds with the shop's own price and with the supplier's offer, which it gets from `/items/{token}` of the HTTP service:
#
# `{"item": "a1b2c3", "price": 271828, "offer": 161803}`
#
# The database replies in a millisecond and is nearly idle. The loop is free. But on days when the supplier takes two seconds, not only purchases are slow: every other endpoint
# of the service that needs the database waits as well, for a connection.
#
# **The rule:** every request calls `price_of` once and the supplier once. The database allows this service 50 connections, and the pool has ten on purpose.
# **The goal:** sixty requests that arrive together wait for the supplier together, and the loop stays free.
#
# <details><summary>Hint 1: a question</summary>
#
# While a request waits for the supplier, what does it hold that others would need?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# The check says how many requests are served at a time. Where is that number in the file? Raise it, and ask yourself which number would be enough for a supplier that takes a minute.
# Then find out how long a dependency with `yield` keeps what it yields.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Draw the life of one request as a line, and mark on it where a query is in progress, and where a connection is borrowed. The second stretch should be hardly longer than the first.
# What has to change isn't the number of connections but who borrows one, and when.
#
# </details>
#
# **What this check does not look for:** requests for the same item that share one query, and how long the pool's own queue gets when the database itself is slow.
#
# This is the timeline to aim for.

# %%
exercise.target("purchase")

# %% [markdown]
# This is the file to fix:

# %% app="purchase"
# %%app purchase.py

# %% answers="purchase"
"""Correct responses: every item comes with the price of the database and the offer of the supplier."""
await exercise.answers("purchase")

# %% concurrency="purchase"
"""Concurrency: sixty calls are with the supplier at one moment, and the loop stays free."""
await exercise.race("purchase")
### BEGIN HIDDEN TESTS
await exercise.concurrency("purchase")
### END HIDDEN TESTS

# %% [markdown]
# ## To try: the same with MySQL
#
# There are no points here, because not every machine has MySQL. The next cell starts a MySQL server, or its sister MariaDB,
# if this machine has one. If not, it says how to get one, and you can skip this part.

# %%
import os

from autograder import services

try:
    mysql = services.get("mysql")
    os.environ.update(mysql.environment)
    print("A server runs at", mysql.url)
except services.ServiceError as reason:
    mysql = None
    print(reason)

# %% [markdown]
# `GET /orders?wait=0.2` sends MySQL a query that takes 0.2 seconds, through PyMySQL, which blocks.
# Fix it with `aiomysql`: a pool from `aiomysql.create_pool(**SERVER)` in the lifespan,
# `async with pool.acquire() as connection` in the endpoint, and a cursor whose `execute` is awaited.

# %%
# %%app orders.py
import os
from contextlib import closing
from urllib.parse import urlsplit

import pymysql
from fastapi import FastAPI

url = urlsplit(os.environ.get("MYSQL_URL", "mysql://none@127.0.0.1:1/none"))
SERVER = {"host": url.hostname, "port": url.port, "user": url.username, "password": url.password or ""}
app = FastAPI()


@app.get("/orders")
async def orders(wait: float):
    with closing(pymysql.connect(**SERVER)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT SLEEP(%s)", [wait])
    return {"orders": []}


# %%
if mysql:
    orders_race = await lab.race("/orders?wait=0.2", n=5)

# %% [markdown]
# ## Take it home
#
# There are now four files next to this notebook: `item.py`, `stock.py`, `reservation.py` and `purchase.py`. They need nothing from this course
# but a database in `DATABASE_URL` that knows `price_of`, and an address in `UPSTREAM_URL`.
# Compare them with your own code: which driver does it use, on which thread does it wait, how many queries can be in progress at once, and what happens to a query whose client has given up?
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your files as they were last saved,
# hidden tests included, and prints how many points they get. It may take a minute, and it isn't graded itself.
#
# In a terminal, in the course's folder, `./course grade notebooks/03_databases/exercise_03_databases.ipynb`
# prints the same for the notebook as you last saved it.

# %%
await exercise.verdict()
