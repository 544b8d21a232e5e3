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
# The endpoints of these five apps look harmless. What blocks the event loop is somewhere else: in a middleware, in a stream,
# after the response, in a cache. The fifth app has already been fixed once, and that didn't help. Find the cause and fix it, one app after the other.
#
# **About 40 minutes.** You need lesson 10, *Blockers you did not write*, and what the lessons before it taught: what blocks, and how a thread or an `await` helps (the second app reads files, as in lesson 05).
# For the fifth app you also need this lesson's section *Deeper: which thread validates a response?*
#
# Each app has a cell that begins with `%%app`. That cell is the whole file. Change what you like in it,
# but keep the paths and the responses as they are. Run the cell again after each change: this saves and serves the file.
# Leave the first line, `%%app ...`, unchanged, because without it nothing is saved. Line numbers in messages count it as line 1.
#
# Each app is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **correct responses**: the right values, really fetched from the service |
# | 2 | **concurrency**: several requests are in progress at once, and the loop stays free for others |
#
# Two check cells follow each app. The first checks the responses, one request at a time. The second is a **rendezvous**:
# it sends a few requests together, and the service holds its replies back until the upstream calls of all of them have arrived.
# Then it draws the timeline. A check that doesn't pass yet prints *Not yet* and the reason.
#
# The next cell loads the tools of the course. `checks.here()` also starts two services for this notebook:
# an HTTP service, whose address is in the environment variable `UPSTREAM_URL`, and a folder with slow files, `DOCUMENTS`.
# If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
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
# A restaurant gives points to its regular customers. `GET /tables?guest={token}` returns how many points a customer has:
#
# `{"guest": "a1b2c3", "points": 271828}`
#
# The endpoint waits for nothing. The points are fetched before it starts, in a **middleware**: code that
# runs for every request of the app, whatever its path. So it affects every route, including those that a colleague adds next year.
#
# **The goal:** requests that name a customer fetch their points concurrently, and never delay requests that don't.
#
# **The rules:**
#
# - A request with `?guest=...` calls `/items/{token}` of the service, every time.
# - A request without `guest` must not call the service at all. The canary is such a request.
# - The service may take several seconds. Wait for its reply.
#
# <details><summary>Hint 1: a question</summary>
#
# The canary requests a path that this app doesn't have, and names no customer. Which line does it wait for, and why?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# A middleware is `async def`, so it runs on the loop. Whatever helps in an `async def` endpoint helps here.
# And it isn't the only place from which a route can get the points.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# List what happens to one request, in order: middleware before `call_next`, dependencies, endpoint, middleware after `call_next`. For each step, write down
# the thread that it runs in if it is `def` and if it is `async def`. Then choose the step in which the call may wait without holding the loop,
# and check that a request without a customer skips it.
#
# </details>
#
# **What this check does not look for:** whether you keep the middleware, and whether each request creates a client of its own (lesson 02 says what that costs).
#
# This is the timeline to aim for:

# %%
exercise.target("tables")

# %% [markdown]
# This is the file to fix:

# %% app="tables"
# %%app tables.py

# %% answers="tables"
"""Correct responses: every customer has the points that the service has for them."""
await exercise.answers("tables")

# %% concurrency="tables"
"""Concurrency: the calls for all customers are at the service at the same moment, and the loop stays free."""
await exercise.race("tables")
### BEGIN HIDDEN TESTS
await exercise.concurrency("tables")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A stream
#
# `GET /menus/{token}` sends its response in chunks. Together they are
#
# `{"menu": "a1b2c3", "price": 271828}`
#
# The price is in a file: `DOCUMENTS/a1b2c3` holds its digits and nothing else. Reading it may take long.
# The chunks come from a **generator**, a function that says `yield`. A colleague already made it `async def`, and it still blocks.
#
# **The goal:** four slow files are read at the same time, and the loop stays free in the meantime.
#
# **The rule:** read the file for each request, and open it off the loop, too, because on a slow disk opening can wait just as long.
# The response may be a stream or not, as you like.
#
# <details><summary>Hint 1: a question</summary>
#
# An `async def` gives the loop a chance only where it says `await`. Where does this generator say it?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways. One adds the missing `await`, with a thread behind it. The other removes the reason why the generator
# runs on the loop.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Compare the three generators of the lesson's `chat.py`. Which two kept the loop free, and which of these two can you build with what you know about files from lesson 05?
# Whichever you choose, count the lines that touch the file and check the thread of each.
#
# </details>
#
# **What this check does not look for:** how many threads a stream uses, and how large its chunks are.
#
# This is the timeline to aim for:

# %%
exercise.target("menu")

# %% [markdown]
# This is the file to fix:

# %% app="menu"
# %%app menu.py

# %% answers="menu"
"""Correct responses: every menu has the price that is in its file."""
await exercise.answers("menu")

# %% concurrency="menu"
"""Concurrency: the files of all requests are open at the same moment, and the loop stays free."""
await exercise.race("menu")
### BEGIN HIDDEN TESTS
await exercise.concurrency("menu")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A background task
#
# `POST /orders/{token}` accepts an order:
#
# `{"order": "a1b2c3", "accepted": true}`
#
# After the response, in a **background task**, it informs the kitchen: it calls `/items/{token}` of the service.
# The client that placed the order doesn't wait for that and notices nothing. Another client does.
#
# **The goal:** the order is accepted at once, the kitchen is informed, and the next request isn't delayed.
#
# **The rules:**
#
# - The endpoint responds at once, before the kitchen has answered.
# - The kitchen must be informed of every order.
# - No other request may wait for that call.
#
# <details><summary>Hint 1: a question</summary>
#
# The response has been sent. On which thread does the task run now?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Starlette treats a background task like an endpoint: `async def` runs on the loop, `def` runs in a thread.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# There are two consistent combinations of how the task is defined and how it calls the service, and two that are wrong. Write down all four, and
# mark what each does to the loop. The lesson's "Your turn" tried one of them.
#
# </details>
#
# **What this check does not look for:** what happens to a task when the app stops before the task is done.
#
# This is the timeline to aim for. In this race one more client arrives a little later than the others: the *next* one.

# %%
exercise.target("order")

# %% [markdown]
# This is the file to fix:

# %% app="order"
# %%app order.py

# %% answers="order"
"""Correct responses: every order is accepted under its own name, and the kitchen is informed of it."""
await exercise.answers("order")

# %% concurrency="order"
"""Concurrency: no request waits for what is done after the response of another."""
await exercise.race("order")
### BEGIN HIDDEN TESTS
await exercise.concurrency("order")
### END HIDDEN TESTS

# %% [markdown]
# ## 4. A cache
#
# `GET /rates/{token}` returns what a currency is worth today:
#
# `{"currency": "a1b2c3", "rate": 271828}`
#
# The rate of a day doesn't change, so it is fetched once and cached with `lru_cache`. A test that requests a rate twice finds the endpoint
# very fast. The first client to request a currency pays, and with it every other client of the app.
#
# **The goal:** the cache stays, and a miss delays only the clients of that currency.
#
# **The rule:** call the service **at most once** for each currency, even if several requests for it arrive at the same moment, and cache the rate. A miss must not block the loop.
#
# <details><summary>Hint 1: a question</summary>
#
# What does `lru_cache` do with a function whose value it doesn't have yet, and on which thread?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# This endpoint has two problems: where the first call waits, and what happens to a second request that arrives while the first is still waiting.
# A fix for the first only, whether a thread or an `await`, leaves the second unsolved.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Draw the four moments of a miss: look into the cache, start the call, wait, store the rate. Between which two can another request run?
# What can you store *before* that point, so that the other request waits for the call that is in progress? The lesson's section on caches names two candidates.
#
# </details>
#
# **What this check does not look for:** how long a rate stays valid, and what your cache does with a call that failed.
#
# This is the timeline to aim for:

# %%
exercise.target("rate")

# %% [markdown]
# This is the file to fix:

# %% app="rate"
# %%app rate.py

# %% answers="rate"
"""Correct responses: every currency has its own rate, and the service is called for it once."""
await exercise.answers("rate")

# %% concurrency="rate"
"""Concurrency: the calls for all currencies are at the service at the same moment, and the loop stays free."""
await exercise.race("rate")
### BEGIN HIDDEN TESTS
await exercise.concurrency("rate")
### END HIDDEN TESTS

# %% [markdown]
# ## 5. A wine
#
# `GET /wines/{token}` returns how many bottles of a wine are left in the cellar:
#
# `{"wine": "a1b2c3", "bottles": 271828}`
#
# Only the cellar's service knows that number. The app blocked the loop, and the last fix looked right: a colleague changed the endpoint from `async def` to `def`,
# so that FastAPI runs it in a thread. Two people reviewed the change, and it was merged. The canary is as late as before.
#
# **The goal:** while one request waits for the cellar, the app serves all others.
#
# **The rules:**
#
# - Each request calls `/items/{token}` of the service exactly once, even if the same wine is requested again or at the same moment.
# - The service may take several seconds. Wait for its reply.
#
# <details><summary>Hint 1: a question</summary>
#
# The endpoint really runs in a thread. Which line calls the service, and what calls that line: the endpoint, or something else?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Between the `return` of an endpoint and the bytes of its response there are two more steps. The lesson's section on response models
# measures on which thread each of them runs.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Write down the steps of one request, from its path to the bytes of its response. For each step, note the thread that it runs in if the endpoint is `def`, and if it's
# `async def`. The call may stay in any step that has a thread, and move to any step in which you can await it. Then count the calls of your version: are there steps that a model goes through twice?
#
# </details>
#
# **What this check does not look for:** a timeout of your own that is too short, because no reply is held back for much longer than a second.
#
# This is the timeline to aim for:

# %%
exercise.target("wine")

# %% [markdown]
# This is the file to fix:

# %% app="wine"
# %%app wine.py

# %% answers="wine"
"""Correct responses: every wine has the number of bottles that the service has for it."""
await exercise.answers("wine")

# %% concurrency="wine"
"""Concurrency: the calls for all wines are at the service at the same moment, and the loop stays free."""
await exercise.race("wine")
### BEGIN HIDDEN TESTS
await exercise.concurrency("wine")
### END HIDDEN TESTS

# %% [markdown]
# ## Take it home
#
# Next to this notebook there are now five files: `tables.py`, `menu.py`, `order.py`, `rate.py` and `wine.py`.
# Put them next to your own code and compare. Which middleware do you have, and who wrote it? What runs after your responses?
# Which of your generators say `async def` and never `await`? What do your caches store? Which of your models do more than describe data?
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your files as you last saved them,
# hidden tests included, and prints the points. It may take a minute. It isn't graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/10_blockers_you_did_not_write/exercise_10_blockers_you_did_not_write.ipynb`
# prints the same for the saved notebook.

# %%
await exercise.verdict()
