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
# You're on call. The corner shop has grown in a hurry, half of its code has never been reviewed, and now the **alert** fires.
# One file has twelve routes (paths with an endpoint each), and something is wrong with each of them. Find the mistakes, and fix them.
#
# **About 60 minutes.** You need all the lessons before this one, and the method of the lesson *The incident*.
#
# Fix in order of harm (*how long* a line blocks the loop, times *how often*), and stop when you like:
# **each route is worth one point by itself**. There are three more for the
# **canary**: while requests come to all routes together, nothing may block the loop.
#
# | points | for |
# |---|---|
# | 12 | one for each route: correct responses, and requests that are served concurrently |
# | 3 | the canary, under load on everything |
#
# The one cell with `%%app shop.py` is the whole file. Change what you like in it, but keep the paths and the responses as they are.
# Run it again after each change. Leave its first line unchanged, because without it nothing is saved.
#
# The services are real: PostgreSQL (`DATABASE_URL`), Redis (`REDIS_URL`), the supplier's HTTP service (`UPSTREAM_URL`),
# a folder of slow files (`DOCUMENTS`) and an old program (`PRICE_COMMAND`). The next cell starts them for this notebook.
# If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
# close it and start it with `./course lab`. After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## The shop
#
# Read it once, from top to bottom, but don't search it line by line yet. The load will tell you where to look.

# %% app="shop"
# %%app shop.py

# %% [markdown]
# ## The load
#
# It's a slow day: every service takes a tenth of a second for each call. For five seconds, requests are sent to all routes in turn.
# The picture shows how long they wait. Run this cell after each fix. It takes five to fifteen seconds, and longer the more the loop is blocked.
#
# ### How to read the picture
#
# - Time runs from left to right. Each lane is a route; the canary is at the top, the event loop at the bottom.
# - A column is half a second. Its height says how long the requests that came then waited. A lane reaches from 1 ms to 10 s, and each grey line is
#   **ten times** the one below: 1 ms, 10 ms, 100 ms, 1 s, 10 s.
# - Full colour up to p50: half of the requests waited no longer. Pale up to p95: 95 of 100. Palest up to p99: 99 of 100.
#   The numbers on the right are those of the whole load.
# - The dotted line in the canary's lane, at 100 ms, is the threshold of the alert. Where the canary's p99 is above it, the alert fires: hatched, with `!`.
# - The event loop lane is hatched where it was blocked.
#
# The list under the picture says which lines blocked the loop, worst first: for how many seconds in all, and in how many
# iterations of the loop.
#
# A route that delays only its own clients leaves the loop free, so it isn't in the list. You find it by its lane.

# %%
day = await exercise.load()

# %% [markdown]
# ## The twelve routes
#
# Each has a check of its own, which sends a few requests together. A check that doesn't pass yet prints *Not yet* and the reason.
# The checks try once. The hidden tests try several times, with other numbers. Fix the routes in order of harm, not in the order below.
#
# The same rules apply to all routes unless a route says otherwise: a service may take several seconds, so wait for it; call it for each request; and don't reject any request.

# %% [markdown]
# ### 1. The printer
#
# `GET /receipts/{number}?wait={wait}` responds when the printer is done, after `wait` seconds.
#
# <details><summary>Hint</summary>
#
# The sleep isn't in the endpoint. What runs before it, and on which thread? Lesson 01.
#
# </details>

# %% concurrency="receipt"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
await exercise.race("receipt")
### BEGIN HIDDEN TESTS
await exercise.concurrency("receipt")
### END HIDDEN TESTS

# %% [markdown]
# ### 2. The supplier's offer
#
# `GET /offers/{token}` calls `/items/{token}` of the supplier, for each request.
#
# <details><summary>Hint</summary>
#
# The blocking line is two calls below the endpoint. What has to change on every step of the way up? Lesson 02.
#
# </details>

# %% concurrency="offer"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
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
# Nothing blocks here, and the canary never notices: what does the second call wait for? Lesson 02.
#
# </details>

# %% concurrency="basket"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
await exercise.race("basket")
### BEGIN HIDDEN TESTS
await exercise.concurrency("basket")
### END HIDDEN TESTS

# %% [markdown]
# ### 4. A price in the database
#
# `GET /items/{token}` queries the database for `price_of`.
#
# <details><summary>Hint</summary>
#
# Which driver is this, and what else could wait for it? Lesson 03.
#
# </details>

# %% concurrency="item"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
await exercise.race("item")
### BEGIN HIDDEN TESTS
await exercise.concurrency("item")
### END HIDDEN TESTS

# %% [markdown]
# ### 5. The stock
#
# `GET /stock/{token}` queries the database through the pool that the shop shares.
#
# <details><summary>Hint</summary>
#
# How many connections does the pool lend, and for how long is each one held? The canary is on time here as well. Lesson 03.
#
# </details>

# %% concurrency="stock"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
await exercise.race("stock")
### BEGIN HIDDEN TESTS
await exercise.concurrency("stock")
### END HIDDEN TESTS

# %% [markdown]
# ### 6. The back office
#
# `POST /jobs/{token}` pushes the token onto the list `jobs` and waits for the list `reply:{token}`.
#
# <details><summary>Hint</summary>
#
# Look at what the lifespan already opens. Lesson 04.
#
# </details>

# %% concurrency="job"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
await exercise.race("job")
### BEGIN HIDDEN TESTS
await exercise.concurrency("job")
### END HIDDEN TESTS

# %% [markdown]
# ### 7. A manual in chunks
#
# `GET /manuals/{token}` sends a stream; the number of pages is in the file `DOCUMENTS/{token}`. Opening the file and reading it both belong off the loop.
#
# <details><summary>Hint</summary>
#
# Where does this generator give the loop a chance? Lessons 05 and 10.
#
# </details>

# %% concurrency="manual"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
await exercise.race("manual")
### BEGIN HIDDEN TESTS
await exercise.concurrency("manual")
### END HIDDEN TESTS

# %% [markdown]
# ### 8. The old program
#
# `GET /quotes/{token}` starts the program in `PRICE_COMMAND` with the token, and returns what it prints.
#
# <details><summary>Hint</summary>
#
# Which line waits for the program to end? Lesson 06.
#
# </details>

# %% concurrency="quote"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
await exercise.race("quote")
### BEGIN HIDDEN TESTS
await exercise.concurrency("quote")
### END HIDDEN TESTS

# %% [markdown]
# ### 9. The members' cards
#
# `GET /members?card={token}` returns the points that the supplier knows for a card.
#
# <details><summary>Hint</summary>
#
# Look above the route, not inside it. Lesson 10.
#
# </details>

# %% concurrency="member"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
await exercise.race("member")
### BEGIN HIDDEN TESTS
await exercise.concurrency("member")
### END HIDDEN TESTS

# %% [markdown]
# ### 10. The rates
#
# `GET /rates/{token}` calls the supplier **at most once** for each currency, even if several requests for it arrive at the same moment, and caches the rate.
#
# <details><summary>Hint</summary>
#
# Two questions: on which thread does the first call wait, and what happens to requests that arrive while it waits? Lesson 10.
#
# </details>

# %% concurrency="rate"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
await exercise.race("rate")
### BEGIN HIDDEN TESTS
await exercise.concurrency("rate")
### END HIDDEN TESTS

# %% [markdown]
# ### 11. After the response
#
# `POST /orders/{token}` responds at once, before the supplier has answered. After the response it informs the supplier of every order.
#
# <details><summary>Hint</summary>
#
# On which thread does a background task run? Lesson 10.
#
# </details>

# %% concurrency="order"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
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
# Lesson 10. A handler that waits makes every request that logs wait. Which two classes of `logging.handlers` does that lesson combine?
#
# </details>

# %% concurrency="search"
"""Correct responses, and requests that are served concurrently while the loop stays free."""
await exercise.race("search")
### BEGIN HIDDEN TESTS
await exercise.concurrency("search")
### END HIDDEN TESTS

# %% [markdown]
# ## The canary
#
# Two requests for each route, all together. Every service holds its replies until no new call arrives. Then the canary must still be
# answered, and nothing may have blocked the loop.

# %% concurrency="canary"
"""Under load on everything, the loop stays free."""
await exercise.race("canary")
### BEGIN HIDDEN TESTS
await exercise.concurrency("canary")
### END HIDDEN TESTS

# %% [markdown]
# **What these checks do not look for:** which of several good fixes you chose, whether a request creates a client of its own, how long a cached rate stays valid, and what
# happens to background work when the shop stops.
#
# ## Take it home
#
# Next to this notebook there is now `shop.py`, a shop that stays responsive.
# Look at your own service in the same order: a load and a canary first, then a list of what blocks, then the line that does most harm.
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your file as you last saved it,
# hidden tests included, and prints the points. It may take some minutes. It isn't graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/13_the_incident/exercise_13_the_incident.ipynb`
# prints the same for the saved notebook.

# %%
await exercise.verdict()
