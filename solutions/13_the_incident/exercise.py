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
# # Exercise 13: The incident
#
# It is your turn on call: when the **pager** rings, it is you who gets up and repairs the shop. The corner shop has grown in a hurry,
# half of it was read by nobody but its author, and now the pager rings. In one file there are twelve routes (paths with an endpoint each),
# and something is wrong with each of them. Find it, and repair it.
# This takes about 60 minutes. You need all the lessons before this one, and the method of the lesson *The incident*.
#
# Repair in the order of harm, that is *how long* times *how often* a line holds the loop, and stop when you like:
# **each route is worth one point by itself**. There are three more for the
# **canary**: while guests come to all routes together, nothing may block the loop.
#
# | points | for |
# |---|---|
# | 12 | one for each route: right answers, and requests that wait side by side |
# | 3 | the canary, under a load of everything |
#
# The one cell with `%%app shop.py` is the whole file. Change what you like in it, but keep the paths and the answers as they are.
# Run it again after each change. Leave its first line as it is: without it nothing is saved.
#
# The services are real: PostgreSQL (`DATABASE_URL`), Redis (`REDIS_URL`), the supplier's HTTP service (`UPSTREAM_URL`),
# a folder of slow files (`DOCUMENTS`) and an old program (`PRICE_COMMAND`). The next cell starts them for this notebook.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`. After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## The shop
#
# Read it once, from top to bottom, but do not search it line by line yet. The load will tell you where to look.

# %% app="shop"
# %%app shop.py

# %% [markdown]
# ## The load
#
# It is a slow day: every service takes a tenth of a second for each question. For five seconds guests come to all routes in turn.
# The picture shows what they feel; run this cell after each repair. It takes five to fifteen seconds: the longer, the more is blocked.
#
# ### How to read the picture
#
# - Time runs from left to right. Each lane is a route; at the top is the canary, at the bottom the event loop.
# - A column is half a second. Its height says how long the guests who came then waited. A lane reaches from 1 ms to 10 s, and each grey line is
#   **ten times** the one below: 1 ms, 10 ms, 100 ms, 1 s, 10 s.
# - Full colour up to p50: half of the guests waited no longer. Pale up to p95: 95 of 100. Palest up to p99: 99 of 100.
#   The numbers on the right say the same for the whole load.
# - The dotted line in the canary's lane, at 100 ms, is the pager's. Where the canary's p99 lies above it, the pager rings: hatched, with `!`.
# - The lane of the loop is hatched where it was blocked.
#
# The list under the picture says which lines blocked the loop, the greatest harm first: for how many seconds in all, and in how many
# **turns**. (A turn is all that the loop does between two looks at what is due.)
#
# A route that holds up nobody but its own guests leaves the loop free, so it is not in the list. You find it by its lane.

# %%
day = await exercise.load()

# %% [markdown]
# ## The twelve routes
#
# Each has a check of its own, which sends a few requests together. A check that does not pass yet says *Not yet*, and why.
# The checks try once. The hidden tests try several times, with other numbers. Take the routes in the order of harm, not in this one.
#
# A service may take long: do not give up early, turn nobody away, and ask it anew for each request, unless the rule says otherwise.

# %% [markdown]
# ### 1. The printer
#
# `GET /receipts/{number}?wait={wait}` answers when the printer is done, after `wait` seconds.
#
# <details><summary>Hint</summary>
#
# How does an `async def` dependency wait? Lesson 01.
#
# </details>

# %% concurrency="receipt"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("receipt")
### BEGIN HIDDEN TESTS
await exercise.concurrency("receipt")
### END HIDDEN TESTS

# %% [markdown]
# ### 2. The supplier's offer
#
# `GET /offers/{token}` asks the supplier for `/items/{token}`, anew for each request.
#
# <details><summary>Hint</summary>
#
# The blocking line stands two calls below the endpoint. Lesson 02.
#
# </details>

# %% concurrency="offer"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("offer")
### BEGIN HIDDEN TESTS
await exercise.concurrency("offer")
### END HIDDEN TESTS

# %% [markdown]
# ### 3. A basket of two
#
# `GET /baskets/{token}` adds the supplier's prices of two items, `{token}-1` and `{token}-2`.
#
# <details><summary>Hint</summary>
#
# Nobody blocks here, and the canary never sees it: what does the second question wait for? Lesson 02.
#
# </details>

# %% concurrency="basket"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("basket")
### BEGIN HIDDEN TESTS
await exercise.concurrency("basket")
### END HIDDEN TESTS

# %% [markdown]
# ### 4. A price in the database
#
# `GET /items/{token}` asks the database for `price_of`.
#
# <details><summary>Hint</summary>
#
# Another driver, or another thread. Lesson 03.
#
# </details>

# %% concurrency="item"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("item")
### BEGIN HIDDEN TESTS
await exercise.concurrency("item")
### END HIDDEN TESTS

# %% [markdown]
# ### 5. The stock
#
# `GET /stock/{token}` asks the database through the pool that the shop shares.
#
# <details><summary>Hint</summary>
#
# How many connections does the pool lend out? The canary is content here as well. Lesson 03.
#
# </details>

# %% concurrency="stock"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("stock")
### BEGIN HIDDEN TESTS
await exercise.concurrency("stock")
### END HIDDEN TESTS

# %% [markdown]
# ### 6. The back office
#
# `POST /jobs/{token}` puts the token on the list `jobs` and waits for the list `reply:{token}`.
#
# <details><summary>Hint</summary>
#
# The lifespan has opened a client that can be awaited already. Lesson 04.
#
# </details>

# %% concurrency="job"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("job")
### BEGIN HIDDEN TESTS
await exercise.concurrency("job")
### END HIDDEN TESTS

# %% [markdown]
# ### 7. A manual in pieces
#
# `GET /manuals/{token}` sends a stream; the number of pages stands in the file `DOCUMENTS/{token}`.
#
# <details><summary>Hint</summary>
#
# A generator that never awaits. Lessons 05 and 10.
#
# </details>

# %% concurrency="manual"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("manual")
### BEGIN HIDDEN TESTS
await exercise.concurrency("manual")
### END HIDDEN TESTS

# %% [markdown]
# ### 8. The old program
#
# `GET /quotes/{token}` starts the program in `PRICE_COMMAND` with the token, and answers what it prints.
#
# <details><summary>Hint</summary>
#
# Lesson 06.
#
# </details>

# %% concurrency="quote"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("quote")
### BEGIN HIDDEN TESTS
await exercise.concurrency("quote")
### END HIDDEN TESTS

# %% [markdown]
# ### 9. The members' cards
#
# `GET /members?card={token}` tells the points that the supplier knows for a card.
#
# <details><summary>Hint</summary>
#
# Look above the route. Lesson 10.
#
# </details>

# %% concurrency="member"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("member")
### BEGIN HIDDEN TESTS
await exercise.concurrency("member")
### END HIDDEN TESTS

# %% [markdown]
# ### 10. The rates
#
# `GET /rates/{token}` asks the supplier **once** for each currency and keeps what it said.
#
# <details><summary>Hint</summary>
#
# What does the cache do with the first guest who asks? Lesson 10.
#
# </details>

# %% concurrency="rate"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("rate")
### BEGIN HIDDEN TESTS
await exercise.concurrency("rate")
### END HIDDEN TESTS

# %% [markdown]
# ### 11. Behind the answer
#
# `POST /orders/{token}` answers at once. Behind the answer the supplier is told of every order.
#
# <details><summary>Hint</summary>
#
# On which thread does a background task run? Lesson 10.
#
# </details>

# %% concurrency="order"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("order")
### BEGIN HIDDEN TESTS
await exercise.concurrency("order")
### END HIDDEN TESTS

# %% [markdown]
# ### 12. The log
#
# `GET /search?words={token}` logs the words, and the log sends every record to the supplier.
#
# <details><summary>Hint</summary>
#
# A handler that waits makes everybody who logs wait. The standard library has `QueueHandler` and `QueueListener`, in `logging.handlers`: one puts records on a queue, the other takes them off in a thread. Lesson 10.
#
# </details>

# %% concurrency="search"
"""Right answers, and requests that wait side by side while the loop stays free."""
await exercise.race("search")
### BEGIN HIDDEN TESTS
await exercise.concurrency("search")
### END HIDDEN TESTS

# %% [markdown]
# ## The canary
#
# Two guests for each route, all together. Every service holds its replies until nobody new comes. Then the canary must still be
# answered, and nothing may have blocked the loop.

# %% concurrency="canary"
"""Under a load of everything the loop stays free."""
await exercise.race("canary")
### BEGIN HIDDEN TESTS
await exercise.concurrency("canary")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Beside this notebook there is now `shop.py`, a small shop that stays awake.
# Look at your own service in the same order: a load and a canary first, then a list of what blocks, then the line that does most harm.
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your file as it was saved last,
# hidden tests included, and says how many points it gets. It may take some minutes. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/13_the_incident/exercise_13_the_incident.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
