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
# A shop keeps its prices in PostgreSQL. One endpoint stops the event loop while it asks. The other leaves the loop alone,
# and its guests stand in a queue all the same. Repair them, one after the other.
# This takes about 20 minutes. You need lesson 03, *Databases*.
#
# Each endpoint has a cell that begins with `%%app`. That cell is the whole file. Change what you like in it,
# but keep the paths and the answers as they are. Run the cell again after each change: this saves and serves the file.
# Leave the first line, `%%app ...`, as it is: without it nothing is saved. Line numbers in messages count it as line 1.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **right answers**: what is answered, and that it comes from the database |
# | 2 | **concurrency**: queries are under way side by side, and the loop stays free for others |
#
# Two check cells follow each app. The first looks at the answers, one request at a time.
# The second sends a few requests together and draws the picture.
#
# The checks try once. The hidden tests try several times, with other numbers.
#
# A check that does not pass yet says *Not yet*, and why. The notebook is all right then: mend the file and run the check again.
#
# The next cell brings in the tools of the course. `checks.here()` also starts a PostgreSQL server for this notebook.
# It listens on this machine only, and ends when the kernel ends.
# Your app finds its address in the environment variable `DATABASE_URL`.
# If the cell says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.
# After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## The database
#
# Both endpoints ask the same question. They need no table, only a function that lives in the database:
#
# ```sql
# SELECT price_of('a1b2c3')
# ```
#
# It gives the price of one item, a whole number. It may be quick, and it may take seconds: a database is
# busy at times, or waits for a lock that somebody else holds.
#
# The checks put their own items in before they ask. For a word that the database does not know, the price is `NULL`.

# %% [markdown]
# ## 1. The price of an item
#
# `GET /items/{token}` asks for the price of one item. The token is the word that names it. So the answer looks like this,
# with a price that nobody but the database knows:
#
# `{"item": "a1b2c3", "price": 271828}`
#
# It asks through psycopg2, the most widely used **driver**: the library that speaks PostgreSQL's language.
#
# **The rule:** call `price_of` anew for every request, even for an item that was asked for before.
# Do not give up early: the database may take some seconds. Meanwhile everybody else must be served.
#
# <details><summary>Hint 1: a question</summary>
#
# Two calls in this endpoint wait for the database. Which two? On whose thread do they wait?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways, as with `requests` in lesson 02. One changes the driver: psycopg2 cannot be awaited, `asyncpg` can.
# Connecting for each request is slow, though the check lets it pass. It is better to open a **pool** in the lifespan:
# it keeps connections open, and lends them out one by one. asyncpg writes `$1` where psycopg2 writes `%s`.
#
# The other way keeps psycopg2 and changes the thread on which it waits.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# @asynccontextmanager
# async def lifespan(app):
#     async with asyncpg.create_pool(...) as pool:
#         app.state.pool = ...
#         yield
#
# app = FastAPI(...)         # it must be told about the lifespan
#
# async def item(token: str, request: Request):
#     price = ... request.app.state.pool.fetchval("SELECT price_of($1)", ...)
#     return ...             # unchanged
# ```
#
# </details>
#
# This is the picture to aim for. Compare the lane of the loop, not the bars: their length is up to the check.

# %%
exercise.target("item")

# %% [markdown]
# This is the file to repair:

# %% app="item"
# %%app item.py

# %% answers="item"
"""Right answers: every item comes with the price that the database has for it."""
await exercise.answers("item")

# %% [markdown]
# The next check is a **rendezvous**: it holds a lock that `price_of` needs, so every query waits inside PostgreSQL
# until all requests of the race have asked. PostgreSQL itself says which queries are waiting.
# If they meet there, they certainly waited side by side; if they do not, the check says what kept them apart.
#
# So the seconds in this picture are those of the check, and a queue need not look like a staircase.
# Look at the lane of the loop, and read the words under the picture.

# %% concurrency="item"
"""Side by side: the queries of all requests are in the database at one moment, and the loop stays free."""
await exercise.race("item")
### BEGIN HIDDEN TESTS
await exercise.concurrency("item")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A pool of one
#
# `GET /stock/{token}` asks the same question, and answers in the same way:
#
# `{"item": "a1b2c3", "price": 271828}`
#
# Here somebody has repaired the driver already. There is `asyncpg`, and a **pool** that is opened in the lifespan:
# it keeps connections open, lends one to each query, and takes it back afterwards. No line blocks the loop.
# And yet, when `price_of` takes a second, ten guests who come together wait for up to ten.
#
# **The rule:** call `price_of` anew for every request, do not give up early, and turn nobody away.
# Guests who come together must ask side by side, and the loop must stay free. The check sends four at a time;
# leave room for ten.
#
# <details><summary>Hint 1: a question</summary>
#
# A connection carries one query at a time. While a query is under way, what do the other requests wait for?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Look at the arguments of `create_pool`. `min_size` says how many connections are opened at the start,
# `max_size` how many there may be at most. When all are lent out, the next query awaits its turn.
# That leaves the loop free, but it is a queue.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# asyncpg.create_pool(DATABASE, min_size=1, max_size=...)     # how many may ask together?
# ```
#
# Not hundreds: PostgreSQL has a limit as well, `max_connections`, and every app that uses the server has a share in it.
# Here it is 100.
#
# </details>
#
# This is the picture to aim for. The lane of the loop is free before the repair as well, and the bars may look
# much the same, because the check lets go soon after it has seen the queue. This time the words tell the difference.

# %%
exercise.target("stock")

# %% [markdown]
# This is the file to repair. Before you change it, a question: what will its second check say that it did not say
# about `item.py`? Run the three cells as they are, and see.

# %% app="stock"
# %%app stock.py

# %% answers="stock"
"""Right answers: every item comes with the price that the database has for it."""
await exercise.answers("stock")

# %% concurrency="stock"
"""Side by side: the queries of all requests are in the database at one moment, and the loop stays free."""
await exercise.race("stock")
### BEGIN HIDDEN TESTS
await exercise.concurrency("stock")
### END HIDDEN TESTS

# %% [markdown]
# ## To try: the same with MySQL
#
# There are no points here, because not everybody has MySQL. The next cell starts a server of MySQL, or of MariaDB, its sister,
# if this machine has one. If not, it says how to get one, and you may skip this part.

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
# `GET /orders?wait=0.2` asks MySQL a question that takes 0.2 seconds, through PyMySQL, which blocks.
# Repair it with `aiomysql`: a pool from `aiomysql.create_pool(**SERVER)` in the lifespan,
# `async with pool.acquire() as connection` in the endpoint, and a cursor whose `execute` is awaited.

# %%
# %%app orders.py
import os
from contextlib import closing
from urllib.parse import urlsplit

import pymysql
from fastapi import FastAPI

url = urlsplit(os.environ.get("MYSQL_URL", "mysql://nobody@127.0.0.1:1/nothing"))
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
    print(f"Five guests took {orders_race.ratio:.1f} times as long as the quickest.")

# %% [markdown]
# ## To take home
#
# Beside this notebook there are now two files: `item.py` and `stock.py`. They need nothing from this course
# but a database in `DATABASE_URL` that knows `price_of`.
# Put them beside your own code and compare: which driver asks your database, on whose thread, and how many may ask at once?
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your files as they were saved last,
# hidden tests included, and says how many points they get. It may take a minute. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/03_databases/exercise_03_databases.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
