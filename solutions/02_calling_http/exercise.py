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
# A shop doesn't know its own prices: it calls a supplier's service over HTTP. Three of its endpoints make their clients wait longer than they have to, and the fourth
# sells at the wrong price. Fix them, one after the other.
# **About 40 minutes.** You need lesson 02, *Calling HTTP*.
#
# Each endpoint has a cell that begins with `%%app`. That cell is the whole file: change whatever you like in it,
# but keep the paths and the responses as they are. Run the cell after every change, which saves the file and serves it.
# Keep the first line, `%%app ...`, or nothing is saved. Line numbers in messages count it as line 1.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **correct responses**: the right values, really fetched from the supplier |
# | 2 | **concurrency**: the upstream calls are in progress at the same time, and the loop stays free for others |
#
# Two check cells follow each app. The first one sends single requests and looks at the responses.
# The second one sends a few requests together and draws the timeline. A check tries once; the hidden tests try several times, with other values.
#
# If a check doesn't pass yet, it says *Not yet* and why. Nothing is broken then: fix the file and run the check again.
#
# The next cell loads the tools of the course, and `checks.here()` also starts the supplier's service, the **upstream**.
# Your app finds its address in the environment variable `UPSTREAM_URL`.
# If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
# close it and start it with `./course lab`. After a restart of the kernel, run this cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A price from the supplier
#
# `GET /prices/{token}` calls the upstream's `/items/{token}` and passes its response on as it is.
# The token is a word that identifies the item. The response looks like this, with a price that only the upstream knows:
#
# `{"item": "a1b2c3", "price": 271828}`
#
# **The rule:** call the upstream once for every request, even if the same item was requested before or is being requested at the same moment.
# Don't give up early: the upstream may take several seconds.
# **The goal:** while one request waits for the upstream, the app serves all others.
#
# <details><summary>Hint 1: a question</summary>
#
# Which line waits for the upstream? Can the result of that call be awaited?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways. One replaces the client by one that can be awaited. The other keeps the client and changes the thread on which it waits.
# Lesson 02 shows both.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# If you replace the client, answer three questions: When in the app's life is it created? How does the endpoint get hold of it? And how long
# does it wait by default, compared with the 30 seconds that the file allows now?
# If you keep the client, removing one keyword is enough.
#
# </details>
#
# **What this check does not look for:** a reply that the upstream holds back for much longer than a few seconds.
# (Work on the loop counts as well: the check reports a line that computes like one that waits.)
#
# This is the timeline to aim for. Compare the event loop lane, not the bars: their length depends on the check.

# %%
exercise.target("price")

# %% [markdown]
# This is the file to fix:

# %% app="price"
# %%app price.py

# %% answers="price"
"""Correct responses: every item comes with the price that the upstream has for it."""
await exercise.answers("price")

# %% [markdown]
# The next check is a **rendezvous**: the upstream holds every reply until all requests of the race have reached it.
# If they meet there, they were certainly in progress at the same time; if they don't, the check says what kept them apart.
#
# So the seconds in this timeline are those of the check, and a queue doesn't have to look like a staircase.
# Look at the event loop lane, and read the message below the picture.

# %% concurrency="price"
"""Concurrency: the calls of all requests are with the upstream at one moment, and the loop stays free."""
await exercise.race("price")
### BEGIN HIDDEN TESTS
await exercise.concurrency("price")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A basket of two items
#
# `GET /baskets/{token}` adds up a basket. Each basket holds two items: for the token `a1b2c3` they are `a1b2c3-1` and `a1b2c3-2`.
# The endpoint calls the upstream for both, and responds with the sum of their prices:
#
# `{"basket": "a1b2c3", "total": 314159}`
#
# The loop is already free here. Find out why a basket still takes longer than it has to.
#
# **The rule:** every request calls the upstream exactly once for each of its two items.
# **The goal:** both calls of a basket are in progress at the same time, and the loop stays free.
#
# <details><summary>Hint 1: a question</summary>
#
# Does the second call need anything from the first response? When is it sent?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# A coroutine starts when it's awaited, or when it becomes a task. So an `await` inside a loop finishes one call before the next one starts.
# Lesson 02 has two tools that start several calls at once.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Move what happens for *one* item into a coroutine function of its own that returns a price. Then the endpoint has three steps: start one call per item,
# wait for all of them, add up what came back. Only the second step waits.
#
# </details>
#
# **What this check does not look for:** what happens if one of the two calls fails. The last endpoint is about that.
#
# The rendezvous sends two baskets together, and the upstream holds its replies until all four calls are there.
# This is the timeline to aim for. Compare the event loop lane, not the bars: their number and length depend on the check.

# %%
exercise.target("basket")

# %% [markdown]
# This is the file to fix:

# %% app="basket"
# %%app basket.py

# %% answers="basket"
"""Correct responses: every basket has the total of its own two items."""
await exercise.answers("basket")

# %% concurrency="basket"
"""Concurrency: both calls of every basket are with the upstream at one moment, and the loop stays free."""
await exercise.race("basket")
### BEGIN HIDDEN TESTS
await exercise.concurrency("basket")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A price label
#
# `GET /labels/{token}` returns what a price label needs. It calls the upstream once, like the first endpoint, and responds with
#
# `{"label": "a1b2c3", "price": 271828}`
#
# Until last month it used `requests`. Then a colleague rewrote it: the supplier's service has a class of its own, a dependency provides it, every call is awaited,
# and everything that was opened is closed again. A single request is as fast as the supplier, and the reviewers liked how tidy it is.
# The change was merged, and under load the health probes are as late as they were before.
#
# **The rule:** every request calls the upstream once and waits for its own reply, which may take several seconds.
# **The goal:** requests that arrive together wait together, and the loop stays free.
#
# <details><summary>Hint 1: a question</summary>
#
# A loop is blocked by a line that waits, or by a line that computes. Every wait in this file is awaited. So which lines does each request run,
# and what does each of them have to do?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# The endpoint has one line, but a request runs more than its endpoint: FastAPI calls the dependencies first, again for each request.
# Lesson 02 measures something that's cheap once and expensive thirty times.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Ask of every object in the file how long it should live. Only the call belongs to a single request; address, certificates and connections are the same for all.
# An object that outlives a request can't be opened and closed by that request, because others may still be using it. Decide where it's opened and closed instead.
# The class can stay as it is, and so can the endpoint.
#
# </details>
#
# **What this check does not look for:**
#
# - a client that the first request creates on the loop;
# - a client that each request creates in a thread, which is where FastAPI calls a `def` dependency or a class. The loop stays free then,
#   but every request still pays for a client and a connection of its own;
# - a reply that the upstream holds back for much longer than a few seconds.
#
# This is the timeline to aim for. Compare the event loop lane, not the bars: their length depends on the check.

# %%
exercise.target("label")

# %% [markdown]
# This is the file to fix:

# %% app="label"
# %%app label.py

# %% answers="label"
"""Correct responses: every label has the price that the upstream has for it."""
await exercise.answers("label")

# %% concurrency="label"
"""Concurrency: the calls of all requests are with the upstream at one moment, and the loop stays free."""
await exercise.race("label")
### BEGIN HIDDEN TESTS
await exercise.concurrency("label")
### END HIDDEN TESTS

# %% [markdown]
# ## 4. A bundle, or nothing
#
# `GET /bundles/{token}` is the basket's successor. A bundle is sold as a whole: its two items are again `a1b2c3-1` and `a1b2c3-2`, both calls are made together, and the response is
#
# `{"bundle": "a1b2c3", "total": 314159}`
#
# Sometimes the upstream has no price for an item and refuses the call with status 503. The endpoint then ended with status 500, until a colleague made it robust.
# There hasn't been a single 500 since. This morning accounting asked why some bundles are sold at half price.
#
# **The rule:** if either price is missing, the response is `{"bundle": "a1b2c3", "unavailable": true}`, with status 200. By then nothing that the request has started is still running:
# a call whose result is no longer needed still occupies the supplier, and a connection of yours.
# **The goal:** both calls of a bundle are in progress at the same time, the loop stays free, and no error is lost.
#
# <details><summary>Hint 1: a question</summary>
#
# Run the file in your head with one price and one exception. Where is the exception after the line that waits? Who looks at it?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two questions, and an answer to one isn't an answer to the other: how does the endpoint find out that a call has failed, and what becomes of the other call when it does?
# Lesson 02 lets one of two calls fail in each of its tools, and looks at what the other one does.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Either wait for both calls, whatever happens, and then look at *every* result before you add anything up. Or let the first error end it, with something that also ends the other call, and
# catch what that tool raises (it need not be the exception of the call itself). Whichever you choose, the sum belongs where both prices are known.
#
# </details>
#
# **What this check does not look for:** how often you try again before you give up, and what happens if the upstream can't be reached at all.
#
# The check first races two bundles like before. Then it sends one bundle at a time, has the upstream refuse one of the calls and hold the other, and looks at the response and at the call that's left.
# This is the timeline to aim for. Compare the event loop lane, not the bars: their number and length depend on the check.

# %%
exercise.target("bundle")

# %% [markdown]
# This is the file to fix:

# %% app="bundle"
# %%app bundle.py

# %% answers="bundle"
"""Correct responses: every bundle has the total of its own two items."""
await exercise.answers("bundle")

# %% concurrency="bundle"
"""Concurrency: both calls are with the upstream at one moment, the loop stays free, and an error is neither lost nor leaves a call running."""
await exercise.race("bundle")
### BEGIN HIDDEN TESTS
await exercise.concurrency("bundle")
### END HIDDEN TESTS

# %% [markdown]
# ## Take it home
#
# There are now four files next to this notebook: `price.py`, `basket.py`, `label.py` and `bundle.py`. They need nothing from this course but an address in `UPSTREAM_URL`.
# Compare them with your own code: which services does it call over HTTP, with which client, and what else waits in the meantime?
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your files as they were last saved,
# hidden tests included, and prints how many points they get. It may take a minute, and it isn't graded itself.
#
# In a terminal, in the course's folder, `./course grade notebooks/02_calling_http/exercise_02_calling_http.ipynb`
# prints the same for the notebook as you last saved it.

# %%
await exercise.verdict()
