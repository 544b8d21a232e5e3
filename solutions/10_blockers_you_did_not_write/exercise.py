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
# # Exercise 10: Blockers you did not write
#
# In each of these four apps the route looks harmless. What blocks the loop stands somewhere else: in a middleware,
# in the making of the answer, behind the answer, in a cache. Find it and repair it, one app after the other.
# This takes about 30 minutes. You need the lessons before this one: what blocks, and how a thread or an `await` helps.
#
# Each endpoint has a cell that begins with `%%app`. That cell is the whole file. Change what you like in it,
# but keep the paths and the answers as they are. Run the cell again after each change: this saves and serves the file.
# Leave the first line, `%%app ...`, as it is: without it nothing is saved. Line numbers in messages count it as line 1.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **right answers**: what is answered, and that it comes from the service |
# | 2 | **concurrency**: requests wait side by side, and the loop stays free for others |
#
# Two check cells follow each app. The first looks at the answers, one request at a time. The second is a **rendezvous**:
# a few requests are sent together, and the service holds its replies back until the questions of all of them are there.
# Then it draws the picture. A check that does not pass yet says *Not yet*, and why.
#
# The next cell brings in the tools of the course. `checks.here()` also starts two services for this notebook:
# an HTTP service, at the address in the environment variable `UPSTREAM_URL`, and a folder with slow files, `DOCUMENTS`.
# If the cell says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.
# After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A middleware
#
# A restaurant knows its regular guests. `GET /tables?guest={token}` tells how many points a guest has:
#
# `{"guest": "a1b2c3", "points": 271828}`
#
# The **route** (the path, with its endpoint) waits for nothing itself. The points are fetched before, in a **middleware**: code that
# runs for every request of the app, whatever its path. So whatever this one does, it does to all routes, including those that somebody adds next year.
#
# **The rules:**
#
# - A request with `?guest=...` asks `/items/{token}` of the service, each time anew.
# - A request without a guest must not ask the service at all. It goes straight to its route. The canary is such a request.
# - The service may take long. Do not give up before it has answered.
#
# <details><summary>Hint 1: a question</summary>
#
# The canary has a path that this app does not even have, and names no guest. Which line does it wait for, and why?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# A middleware is `async def`: it runs on the loop. What helps in an `async def` endpoint helps here:
# a client that can be awaited, or a thread.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# @app.middleware("http")
# async def recognise(request, call_next):
#     guest = ...                                     # unchanged
#     request.state.points = await ...(points_of, guest) if guest else 0
#     return await call_next(request)
# ```
#
# </details>
#
# This is the picture to aim for:

# %%
exercise.target("tables")

# %% [markdown]
# This is the file to repair:

# %% app="tables"
# %%app tables.py

# %% answers="tables"
"""Right answers: every guest has the points that the service knows."""
await exercise.answers("tables")

# %% concurrency="tables"
"""Side by side: the questions for all guests are with the service at one moment, and the loop stays free."""
await exercise.race("tables")
### BEGIN HIDDEN TESTS
await exercise.concurrency("tables")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A stream
#
# `GET /menus/{token}` sends its answer in pieces, as they become ready. Together they are
#
# `{"menu": "a1b2c3", "price": 271828}`
#
# The price stands in a file: `DOCUMENTS/a1b2c3` holds its digits and nothing else. Reading it may take long.
# The pieces come from a **generator**, a function that says `yield`. This one is an `async def`. It was not enough.
#
# **The rule:** read the file anew for each request. The answer may be a stream or not, as you like.
#
# <details><summary>Hint 1: a question</summary>
#
# An `async def` gives the loop a chance only where it says `await`. Where does this generator say it?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways. One puts the missing `await` in, with a thread behind it. The other takes a word away:
# what does `StreamingResponse` do with a generator that is *not* async?
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# def lines(token):          # Starlette runs the steps of a plain generator in its thread pool, one step at a time
#     ...                    # unchanged
# ```
#
# </details>
#
# This is the picture to aim for:

# %%
exercise.target("menu")

# %% [markdown]
# This is the file to repair:

# %% app="menu"
# %%app menu.py

# %% answers="menu"
"""Right answers: every menu has the price that stands in its file."""
await exercise.answers("menu")

# %% concurrency="menu"
"""Side by side: the files of all requests are open at one moment, and the loop stays free."""
await exercise.race("menu")
### BEGIN HIDDEN TESTS
await exercise.concurrency("menu")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A background task
#
# `POST /orders/{token}` takes an order and answers at once:
#
# `{"order": "a1b2c3", "accepted": true}`
#
# *Behind* the answer, in a **background task**, the kitchen is told: the service is asked for `/items/{token}`.
# The guest who ordered does not wait for it, and sees nothing wrong. Somebody else does.
#
# **The rule:** the kitchen must be told of every order. The next guest must not feel it.
#
# <details><summary>Hint 1: a question</summary>
#
# The answer is out. On which thread does the task run now?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# A background task is treated like an endpoint: `async def` runs on the loop, `def` runs in a thread.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Either the task awaits everything that it does, with a client that can be awaited:
#
# ```python
# async def tell_the_kitchen(token):
#     await app.state.client.get(...)
# ```
#
# or it is one word shorter.
#
# </details>
#
# This is the picture to aim for. In the race one more guest comes a little later than the others: the *next* guest.

# %%
exercise.target("order")

# %% [markdown]
# This is the file to repair:

# %% app="order"
# %%app order.py

# %% answers="order"
"""Right answers: every order is accepted under its own name, and the kitchen is told of it."""
await exercise.answers("order")

# %% concurrency="order"
"""Side by side: nobody waits for what is done behind another one's answer."""
await exercise.race("order")
### BEGIN HIDDEN TESTS
await exercise.concurrency("order")
### END HIDDEN TESTS

# %% [markdown]
# ## 4. A cache
#
# `GET /rates/{token}` tells what a currency is worth today:
#
# `{"currency": "a1b2c3", "rate": 271828}`
#
# The rate of a day does not change. So it is asked for once and kept, with `lru_cache`, and a test that asks twice finds the endpoint
# very fast. The first guest to ask for a currency pays, and everybody else pays with them.
#
# **The rule:** ask the service **once** for each currency, and keep what it said. The loop must stay free for the first guest, too.
#
# <details><summary>Hint 1: a question</summary>
#
# What does `lru_cache` do with a function whose value it does not have yet?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# The cached function may stay as it is, if it runs somewhere else. If you make it an `async def`, `lru_cache` does not keep
# its result but the coroutine, and a coroutine can be awaited once. Then a dictionary is the better cache.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# @app.get("/rates/{token}")
# async def rate(token: str):
#     return {"currency": token, "rate": await ...(rate_of, token)}
# ```
#
# </details>
#
# This is the picture to aim for:

# %%
exercise.target("rate")

# %% [markdown]
# This is the file to repair:

# %% app="rate"
# %%app rate.py

# %% answers="rate"
"""Right answers: every currency has its own rate, and the service is asked for it once."""
await exercise.answers("rate")

# %% concurrency="rate"
"""Side by side: the questions for all currencies are with the service at one moment, and the loop stays free."""
await exercise.race("rate")
### BEGIN HIDDEN TESTS
await exercise.concurrency("rate")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Beside this notebook there are now four files: `tables.py`, `menu.py`, `order.py` and `rate.py`.
# Put them beside your own code and compare. Which middleware do you have, and who wrote it? What runs behind your answers?
# Which of your generators say `async def` and never `await`? What is behind your caches?
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your files as they were saved last,
# hidden tests included, and says how many points they get. It may take a minute. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/10_blockers_you_did_not_write/exercise_10_blockers_you_did_not_write.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
