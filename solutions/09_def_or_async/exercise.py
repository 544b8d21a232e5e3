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
# # Exercise 09: def or async def
#
# Here are three endpoints of a shop. In each of them somebody chose between `def` and `async def`, and chose wrongly.
# No choice is wrong everywhere: what repairs the first would ruin the second. Repair them, one after the other.
# This takes about 25 minutes. You need lesson 02, *Calling HTTP*, lesson 04, *Redis*, and the walk-through of this lesson.
#
# Each endpoint has a cell that begins with `%%app`. That cell is the whole file. Change what you like in it,
# but keep the paths and the answers as they are. Run the cell again after each change: this saves and serves the file.
# Leave the first line, `%%app ...`, as it is: without it nothing is saved. Line numbers in messages count it as line 1.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **right answers**: what is answered, and that it comes from the service that knows |
# | 2 | **concurrency**: all requests that come together wait side by side, and the loop stays free |
#
# Two check cells follow each app. The first looks at the answers, one request at a time.
# The second sends requests together and draws the picture. For the first endpoint these are four,
# for the other two they are **45**.
#
# The checks try once. The hidden tests try several times, with other numbers.
#
# A check that does not pass yet says *Not yet*, and why. The notebook is all right then: mend the file and run the check again.
#
# The next cell brings in the tools of the course. `checks.here()` also starts the services that the apps ask: a supplier that speaks HTTP,
# and a server that speaks the language of Redis, with a worker.
# If the cell says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.
# After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A library that knows no await
#
# `GET /quotes/{token}` tells the price of one item:
#
# `{"item": "a1b2c3", "price": 271828}`
#
# The supplier gave the shop a library, the class `Catalogue` in the file below. Take it as it is: you may not change it,
# and there is no other. It is not a bad library. It just blocks while it waits, as most libraries do.
#
# Somebody wrote `async def` in front of the endpoint, because *FastAPI is asynchronous*.
#
# **The rule:** ask the supplier anew for every request, and do not give up early: it may take some seconds.
# Meanwhile everybody else must be served. Four requests at a time are enough here.
#
# <details><summary>Hint 1: a question</summary>
#
# Is there an `await` in this endpoint? On whose thread does `catalogue.price` wait, then?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# The message of the check names the line in the library in which the loop stood still. You cannot change that line.
# You can change the thread that comes to it. FastAPI has threads for that, and uses them by itself, if it may.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# ... quote(token: str):                 # what stands in front of the name?
#     return ...                         # unchanged
# ```
#
# `await asyncio.to_thread(function, argument)` would do it, too. It is longer, and here no better.
#
# </details>
#
# This is the picture to aim for:

# %%
exercise.target("quote")

# %% [markdown]
# This is the file to repair:

# %% app="quote"
# %%app quote.py

# %% answers="quote"
"""Right answers: every item comes with the price that the supplier has for it."""
await exercise.answers("quote")

# %% [markdown]
# The next check is a **rendezvous**: the supplier holds every reply back until all requests of the race have asked.
# If they meet there, they certainly waited side by side; if they do not, the check says what kept them apart.
#
# So the seconds in this picture are those of the check, not of the supplier. Look at the lane of the loop,
# and read the words under the picture.

# %% concurrency="quote"
"""Side by side: all questions are with the supplier at one moment, and the loop stays free."""
await exercise.race("quote")
### BEGIN HIDDEN TESTS
await exercise.concurrency("quote")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A def endpoint, and 45 guests
#
# `GET /stock/{token}` asks the same supplier how many of an item are there:
#
# `{"item": "a1b2c3", "stock": 314159}`
#
# This endpoint is what you made of the first one: a `def`, and a client that blocks the thread in which it waits. It does not block the loop.
# But there is a sale today. The supplier is slow, and 45 guests come together.
#
# **The rule:** ask the supplier anew for every request, do not give up early, and turn nobody away.
# All 45 must be able to wait at the same time, and the loop must stay free.
#
# Before you change anything, run the three cells as they are. How many are served at a time? Where does that number come from?
#
# <details><summary>Hint 1: a question</summary>
#
# Guests who wait in a `def` endpoint keep something for themselves as long as they wait. What is it, and how many are there?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways. One needs no thread for a guest who waits: `httpx` has a client that can be awaited.
# A thread is a costly chair to wait on; a coroutine is a note on a list.
#
# The other way buys more chairs. The pool is anyio's, and its size is the `total_tokens` of its *limiter*.
# It must be set where the loop runs, so in the lifespan. Mind what you buy: each thread needs memory and takes its turns
# at the GIL, and the old limit protected the supplier as well. This is for apps whose libraries leave no choice.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# @asynccontextmanager
# async def lifespan(app):
#     async with httpx.AsyncClient(timeout=60) as client:
#         app.state.client = ...
#         yield
#
# app = FastAPI(...)         # it must be told of the lifespan
#
# ... stock(token: str, request: Request):
#     reply = ... request.app.state.client.get(...)
#     return ...             # unchanged
# ```
#
# An `AsyncClient` has a limit as well: 100 connections, unless you say otherwise.
#
# </details>
#
# This is the picture to aim for:

# %%
exercise.target("stock")

# %% [markdown]
# This is the file to repair:

# %% app="stock"
# %%app stock.py

# %% answers="stock"
"""Right answers: every item comes with the number that the supplier has for it."""
await exercise.answers("stock")

# %% concurrency="stock"
"""Side by side: 45 questions are with the supplier at one moment, and the loop stays free."""
await exercise.race("stock")
### BEGIN HIDDEN TESTS
await exercise.concurrency("stock")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A dependency that waits
#
# `GET /accounts/{token}` tells how much money is left in an account:
#
# `{"account": "a1b2c3", "balance": 161803}`
#
# The endpoint is as short as it can be. Everything happens in a **dependency**, `balance_of`, which FastAPI runs before it:
# it puts the token on the list `jobs` in Redis, and waits for the reply of a worker on the list `reply:{token}`.
# You know both commands from lesson 04. Keep `socket_timeout=60` in any client that you make.
#
# For a dependency the rule is the same as for an endpoint. FastAPI runs an `async def` on the loop, and a `def` in a thread
# from the same pool. Whether the endpoint itself is `def` or `async def` does not matter for that.
#
# **The rule:** every request puts its own job, once, and waits for its own reply. Do not give up early.
# Again 45 guests come together, and all must wait side by side.
#
# <details><summary>Hint 1: a question</summary>
#
# Take `async` away from the dependency and run the check. Something is better now, and something is not. What does the message say?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# A word in front of `def` only chooses *where* something waits: on the loop, or on one of 40 threads.
# Here neither is good. What must change is *how* it waits. Which client did you use in exercise 04?
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# client = ...                      # from redis.asyncio; closed in the lifespan
#
# async def balance_of(token: str):
#     ... client.rpush(...)              # what is missing in front of this call,
#     _, balance = ... client.blpop(...) # and of this one?
#     return int(balance)
# ```
#
# </details>
#
# This is the picture to aim for:

# %%
exercise.target("account")

# %% [markdown]
# This is the file to repair:

# %% app="account"
# %%app account.py

# %% answers="account"
"""Right answers: every account comes with the balance that the worker put on its list."""
await exercise.answers("account")

# %% concurrency="account"
"""Side by side: 45 jobs are with the worker at one moment, and the loop stays free."""
await exercise.race("account")
### BEGIN HIDDEN TESTS
await exercise.concurrency("account")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Beside this notebook there are now three files: `quote.py`, `stock.py` and `account.py`.
# Put them beside your own code, and ask of each endpoint and each dependency, in this order:
#
# 1. Does it wait? If not, either word will do.
# 2. Can what it waits for be awaited? Then `async def`, and `await` it.
# 3. If not: `def`, if its code may run in several threads at a time. Then count: how many may wait at the same time, and is that fewer than 40,
#    with all `def` endpoints and dependencies of the app together?
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your files as they were saved last,
# hidden tests included, and says how many points they get. It may take a minute. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/09_def_or_async/exercise_09_def_or_async.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
