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
# # Exercise 02: Calling HTTP
#
# A shop does not know its prices. It asks a supplier's service over HTTP, and meanwhile makes its own guests wait
# in the wrong way. Repair two endpoints, one after the other.
# This takes about 20 minutes. You need lesson 02, *Calling HTTP*.
#
# Each endpoint has a cell that begins with `%%app`. That cell is the whole file. Change what you like in it,
# but keep the paths and the answers as they are. Run the cell again after each change: this saves and serves the file.
# Leave the first line, `%%app ...`, as it is: without it nothing is saved. Line numbers in messages count it as line 1.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **right answers**: what is answered, and that it comes from the supplier |
# | 2 | **concurrency**: questions are under way side by side, and the loop stays free for others |
#
# Two check cells follow each app. The first looks at the answers, one request at a time.
# The second sends a few requests together and draws the picture.
#
# The checks try once. The hidden tests try several times, with other numbers.
#
# A check that does not pass yet says *Not yet*, and why. The notebook is all right then: mend the file and run the check again.
#
# The next cell brings in the tools of the course. `checks.here()` also starts the supplier's service, which we call
# the **upstream**. Your app finds its address in the environment variable `UPSTREAM_URL`.
# If the cell says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.
# After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A price from the supplier
#
# `GET /prices/{token}` asks the upstream for `/items/{token}` and passes its answer on as it is.
# The token is a word that names the item. So the answer looks like this, with a price that nobody but the upstream knows:
#
# `{"item": "a1b2c3", "price": 271828}`
#
# **The rule:** ask anew for every request, even for an item that was asked for before.
# Do not give up early: the upstream may take some seconds. Meanwhile everybody else must be served.
#
# <details><summary>Hint 1: a question</summary>
#
# Which line waits for the upstream? Could you write `await` in front of that call?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways. One changes the client: what `requests` cannot do, `httpx.AsyncClient` can.
# Open one for the whole app, and give it a patient timeout. (To make one for each request is work on the loop. The check tells you.)
# The other keeps `requests` and changes the thread on which it waits. Lesson 02 shows both.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# @asynccontextmanager
# async def lifespan(app):
#     async with httpx.AsyncClient(timeout=...) as client:
#         app.state.client = ...
#         yield
#
# app = FastAPI(...)         # it must be told about the lifespan
#
# async def price(token: str, request: Request):
#     reply = ... request.app.state.client.get(...)
#     return ...             # unchanged
# ```
#
# </details>
#
# This is the picture to aim for. Compare the lane of the loop, not the bars: their length is up to the check.

# %%
exercise.target("price")

# %% [markdown]
# This is the file to repair:

# %% app="price"
# %%app price.py

# %% answers="price"
"""Right answers: every item comes with the price that the upstream names for it."""
await exercise.answers("price")

# %% [markdown]
# The next check is a **rendezvous**: the upstream holds every reply back until all requests of the race have asked.
# If they meet there, they certainly waited side by side; if they do not, the check says what kept them apart.
#
# So the seconds in this picture are those of the check, not of the upstream, and a queue need not look like a staircase.
# Look at the lane of the loop, and read the words under the picture.

# %% concurrency="price"
"""Side by side: all requests are with the upstream at one moment, and the loop stays free."""
await exercise.race("price")
### BEGIN HIDDEN TESTS
await exercise.concurrency("price")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A basket of two items
#
# `GET /baskets/{token}` adds up a basket. Each basket holds two items: for the token `a1b2c3` they are `a1b2c3-1` and `a1b2c3-2`.
# The endpoint asks the upstream for both, and answers with the sum of their prices:
#
# `{"basket": "a1b2c3", "total": 314159}`
#
# Here the loop is free already. Look for something else that waits needlessly.
#
# **The rule:** each item is asked for once, and anew for every request.
# Both questions of a basket must be under way at the same time, and the loop must stay free.
#
# <details><summary>Hint 1: a question</summary>
#
# Does the second question need anything from the first reply? When is it asked?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# An `await` in a loop waits before it goes on. Make both coroutines first, and then await them together:
# a coroutine does nothing until it is awaited, or given to a task.
# Lesson 02 shows it with `asyncio.gather` and with `asyncio.TaskGroup`.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# async def basket(...):
#     items = (f"{token}-1", f"{token}-2")
#     replies = await asyncio.gather(...)     # one coroutine for each item
#     return {"basket": token, "total": sum(...)}
# ```
#
# </details>
#
# The rendezvous sends two baskets together, and the upstream holds its replies until all four questions are there.
# This is the picture to aim for. Compare the lane of the loop, not the bars: their number and length are up to the check.

# %%
exercise.target("basket")

# %% [markdown]
# This is the file to repair:

# %% app="basket"
# %%app basket.py

# %% answers="basket"
"""Right answers: every basket has the total of its own two items."""
await exercise.answers("basket")

# %% concurrency="basket"
"""Side by side: both questions of every basket are with the upstream at one moment, and the loop stays free."""
await exercise.race("basket")
### BEGIN HIDDEN TESTS
await exercise.concurrency("basket")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Beside this notebook there are now two files: `price.py` and `basket.py`. They need nothing from this course
# but an address in `UPSTREAM_URL`.
# Put them beside your own code and compare: which services do you ask over HTTP, with which client, and who has to wait meanwhile?
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your files as they were saved last,
# hidden tests included, and says how many points they get. It may take a minute. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/02_calling_http/exercise_02_calling_http.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
