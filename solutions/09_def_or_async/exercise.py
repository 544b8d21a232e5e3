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
# # Exercise 09: `def` or `async def`
#
# A shop has four endpoints. In three of them, the author chose between `def` and `async def` without much thought, and chose wrongly. Neither keyword is always right: the one that fixes the first endpoint would ruin the second. The fourth has been fixed once already, and that didn't help. Fix them in order.
#
# **About 35 minutes.** You need lesson 02, *Calling HTTP*, lesson 03, *Databases*, lesson 04, *Redis*, and lesson 09, *`def` or `async def`*.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **correct responses**: the right values, fetched for this request from the service that knows them |
# | 2 | **concurrency**: all requests that arrive together wait concurrently, and the event loop stays free |
#
# Two check cells follow each app. The first checks the responses, one request at a time. The second sends requests together and draws the picture: four for the first endpoint, **45** for the next two, and 30 for the last.
#
# A cell that begins with `%%app` is a whole file. Change what you like in it, but keep the paths, the responses and the cell's first line: without that line nothing is saved. Run the cell
# again after each change. Line numbers in messages count the first line as line 1.
#
# The checks run once; the hidden tests run several times, with other values. A check that doesn't pass yet prints *Not yet* and the reason. Fix the file, run its cell, and run the check again.
#
# The next cell loads the tools of the course. `checks.here()` also starts the services that the apps use: a supplier that speaks HTTP, a server that speaks Redis's protocol, with a worker, and a PostgreSQL server. If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment: close it and start it with `./course lab`. After a restart of the kernel, run
# this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A library without `await`
#
# `GET /quotes/{token}` returns the price of one item:
#
# `{"item": "a1b2c3", "price": 271828}`
#
# The supplier gave the shop a library, the class `Catalogue` in the file below. Take it as it is: you may not change it, and there is no other. It isn't a bad library. It just blocks while it waits, as most libraries do. Then the endpoint got an `async def`, because *FastAPI is asynchronous*.
#
# **The rule:** the supplier is called once for every request, and may take some seconds, so don't give up early. Four requests at a time are enough here.
#
# **The goal:** while one request waits for the supplier, every other request is served.
#
# <details><summary>Hint 1: a question</summary>
#
# Is there an `await` in this endpoint? On which thread does `catalogue.price` wait, then?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# The message of the check names the line in the library that blocked the loop. You can't change that line. You can change which thread runs it. FastAPI has threads for this purpose, and uses them by itself if you let it.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# There is a fix that adds a line, and one that only removes a word. For the second, read the decision table of the lesson: which row has *nothing to await*?
#
# </details>
#
# This is the timeline to aim for:

# %%
exercise.target("quote")

# %% [markdown]
# This is the file to fix:

# %% app="quote"
# %%app quote.py

# %% answers="quote"
"""Correct responses: every item comes with the price that the supplier has for it."""
await exercise.answers("quote")

# %% [markdown]
# The next check is a **rendezvous**: the supplier holds back every reply until all requests of the race have reached it. If they all do, they certainly waited concurrently; if they don't, the check says what prevented it. So the seconds in this picture are those of the check, not of the supplier. Compare the event loop lane, and read the
# sentence under the picture.
#
# **What this check does not look for:** a timeout of your own that is too short, because no reply is held back for long.

# %% concurrency="quote"
"""Concurrency: all calls are with the supplier at the same moment, and the loop stays free."""
await exercise.race("quote")
### BEGIN HIDDEN TESTS
await exercise.concurrency("quote")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A `def` endpoint and 45 clients
#
# `GET /stock/{token}` returns how many of an item are left. The number comes from the same supplier, whose replies call it `price`:
#
# `{"item": "a1b2c3", "stock": 314159}`
#
# This endpoint looks like your fix of the first one: a `def`, with a client that blocks the thread in which it waits. It doesn't block the loop. But today there's a sale, the supplier is slow, and 45 requests arrive together.
#
# **The rule:** the supplier is called once for every request. Don't give up early, and don't reject any request.
#
# **The goal:** all 45 requests wait for the supplier at the same time, and the loop stays free.
#
# Before you change anything, run the three cells as they are. How many requests are served at a time? Where does that number come from?
#
# <details><summary>Hint 1: a question</summary>
#
# A request that waits in a `def` endpoint holds something for as long as it waits. What is it, and how many are there?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways. One needs no thread for a waiting request: `httpx` also has a client that you can await. A waiting thread is expensive; a waiting coroutine is an entry in a list.
#
# The other way buys more threads. Their number is a setting of AnyIO's limiter, to be changed where the loop runs, so in the lifespan. Each thread needs memory and competes for the GIL, and the old limit protected the supplier as well. This is for apps whose libraries leave no choice.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# For the first way, make three decisions: where the client is created and closed (once per app); how the endpoint gets at it; and what its own limits are. An `httpx.AsyncClient` gives up after five seconds and opens at most 100 connections unless you say otherwise. Which of these two matters here?
#
# </details>
#
# This is the timeline to aim for:

# %%
exercise.target("stock")

# %% [markdown]
# This is the file to fix:

# %% app="stock"
# %%app stock.py

# %% answers="stock"
"""Correct responses: every item comes with the number that the supplier has for it."""
await exercise.answers("stock")

# %% [markdown]
# **What this check does not look for:** a timeout of your own that is too short, because no reply is held back for long. And it sends 45 requests. How many could your version handle?

# %% concurrency="stock"
"""Concurrency: 45 calls are with the supplier at the same moment, and the loop stays free."""
await exercise.race("stock")
### BEGIN HIDDEN TESTS
await exercise.concurrency("stock")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A dependency that waits
#
# `GET /accounts/{token}` returns how much money is left in an account:
#
# `{"account": "a1b2c3", "balance": 161803}`
#
# The endpoint is as short as it can be. Everything happens in a **dependency**, `balance_of`, which FastAPI runs before it: it puts the token on the list `jobs` in Redis, and waits for a worker's reply on the list `reply:{token}`. You know both commands from lesson 04. Use `socket_timeout=60` in any client that you create.
#
# FastAPI treats a dependency like an endpoint: it runs `async def` on the loop, and `def` in a thread of the same pool. Whether the endpoint itself is `def` or `async def` doesn't matter.
#
# **The rule:** every request puts its own job on the list, exactly once, and waits for its own reply. Don't give up early.
#
# **The goal:** again 45 requests arrive together, and all of them wait at the same time, with a free loop.
#
# <details><summary>Hint 1: a question</summary>
#
# Remove `async` from the dependency and run the check. One thing is better now, and another isn't. What does the message say?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# The keyword only chooses *where* a function waits: on the loop, or in one of 40 threads. Neither is right here. What must change is *how* it waits. Which client did you use in exercise 04?
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# The client's methods keep their names. Two things about them change: which package they come from, and what each call returns. Go through the dependency line by line and ask of each call: if I leave it as it is, what do I get, a value or something that I still have to await? And when the app ends, what closes the client?
#
# </details>
#
# This is the timeline to aim for:

# %%
exercise.target("account")

# %% [markdown]
# This is the file to fix:

# %% app="account"
# %%app account.py

# %% answers="account"
"""Correct responses: every account comes with the balance that the worker put on its list."""
await exercise.answers("account")

# %% [markdown]
# **What this check does not look for:** a timeout of your own that is too short, because no reply is held back for long.

# %% concurrency="account"
"""Concurrency: 45 jobs are with the worker at the same moment, and the loop stays free."""
await exercise.race("account")
### BEGIN HIDDEN TESTS
await exercise.concurrency("account")
### END HIDDEN TESTS

# %% [markdown]
# ## 4. A customer's credit
#
# `GET /customers/{token}` returns how much credit a customer has:
#
# `{"customer": "a1b2c3", "credit": 577215}`
#
# The number is in PostgreSQL, and `SELECT price_of('a1b2c3')` returns it, as in exercise 03. The database allows this app 50 connections.
#
# This endpoint was `async def` with a session that blocked the loop. The last fix looked right: the endpoint and its dependency became `def`, and every request has a session of its own. The sale brings 30 customers at the same moment, which is fewer than 40, so all of them get a thread. Some of them still wait for others.
#
# **The rule:** the database is queried once for every request, and may take some seconds. Don't give up early, and don't reject any request.
#
# **The goal:** all 30 requests wait for the database at the same time, and the loop stays free.
#
# <details><summary>Hint 1: a question</summary>
#
# How many requests are served at a time? That isn't the number of threads. What else in this file is limited, although it states no number?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# A session is cheap, and there can be any number of them. What it borrows for its queries isn't. SQLAlchemy's documentation of `create_engine` says how many it keeps, how many more it opens when these are in use, and what happens then. The lesson meets the same limit in *Deeper: a session pool smaller than the thread pool*.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Compare three numbers: requests that wait at the same time, threads, and what the sessions borrow. Here each request holds one of each for as long as its query takes. Which number is the smallest? Would another driver or another keyword change that number, or only the way in which the rest wait? When you've chosen a larger one, compare it with what the database allows.
#
# </details>
#
# This is the timeline to aim for:

# %%
exercise.target("customer")

# %% [markdown]
# This is the file to fix:

# %% app="customer"
# %%app customer.py

# %% answers="customer"
"""Correct responses: every customer comes with the number that the database has for them."""
await exercise.answers("customer")

# %% [markdown]
# **What this check does not look for:** a pool that is larger than the database allows, because it sends only 30 requests, and a timeout of your own that is too short, because no reply is held back for long.

# %% concurrency="customer"
"""Concurrency: 30 queries are with the database at the same moment, and the loop stays free."""
await exercise.race("customer")
### BEGIN HIDDEN TESTS
await exercise.concurrency("customer")
### END HIDDEN TESTS

# %% [markdown]
# ## Take it home
#
# Next to this notebook there are now four files: `quote.py`, `stock.py`, `account.py` and `customer.py`. Compare them with your own code, and check each endpoint and each dependency in this order:
#
# 1. Does it wait? If not, either keyword will do.
# 2. Can what it waits for be awaited? Then `async def`, and `await` it.
# 3. If not: `def`, if its code is thread-safe. Then count how many requests may wait at the same time, in all `def` endpoints and dependencies of the app together. Are they fewer than 40?
# 4. Which other pools does a request pass through, and how many places does the smallest of them have?
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your files as they were last saved, hidden tests included, and prints how many points they get. It may take a minute, and it isn't graded itself.
#
# In a terminal, in the course's folder, `./course grade notebooks/09_def_or_async/exercise_09_def_or_async.ipynb` prints the same for the notebook as you last saved it.

# %%
await exercise.verdict()
