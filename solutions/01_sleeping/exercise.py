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
# # Exercise 01: Sleeping
#
# Three endpoints block the event loop. Fix them one by one.
# **About 20 minutes.** You need lesson 01, *Sleeping*.
#
# Each endpoint has a cell that begins with `%%app`. That cell is the whole file: change whatever you like in it,
# but keep the paths and the responses as they are. Run the cell after every change, which saves the file and serves it.
# Keep the first line, `%%app ...`, or nothing is saved. Line numbers in messages count it as line 1.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **correct responses**: the right values, and no response before its wait is over |
# | 2 | **concurrency**: the waits of several requests overlap, and the loop stays free for others |
#
# Two check cells follow each app. The first one sends single requests and looks at the responses.
# The second one sends a few requests together and draws the timeline. A check tries once; the hidden tests try several times, with other values.
#
# If a check doesn't pass yet, it says *Not yet* and why. Nothing is broken then: fix the file and run the check again.
#
# The next cell loads the tools of the course. If the cell fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`. After a restart of the kernel, run this cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A sleep in the endpoint
#
# `GET /reports/{number}?wait=...` prepares a report, which takes as many seconds as the query parameter `wait` says.
# The response contains the number of the report:
#
# `{"report": 17, "status": "ready"}`
#
# **The rule:** the wait must stay. A request that asks for half a second must not get its response any earlier.
# **The goal:** while one report is being prepared, the app serves all other requests.
#
# <details><summary>Hint 1: a question</summary>
#
# Which line keeps the thread, and what else could the thread do during that time?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways. One changes the call that waits and leaves the function where it runs.
# The other leaves the call as it is and changes where the function runs. Lesson 01 shows both in a café.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Two lines are enough for the first way: the import, and the line that waits. One keyword is enough for the second.
# Whichever you choose, race it with `lab.race("/reports/{i}?wait=0.5", n=4)`. If the requests take almost no time, a coroutine is created and never awaited.
#
# </details>
#
# **What this check does not look for:** which of the two ways you choose, and how many clients your app can serve at once beyond the few that the check sends.
#
# This is the timeline to aim for:

# %%
exercise.target("report")

# %% [markdown]
# This is the file to fix:

# %% app="report"
# %%app report.py

# %% answers="report"
"""Correct responses: every report has its own number, and none arrives before its wait is over."""
await exercise.answers("report")

# %% concurrency="report"
"""Concurrency: reports that are requested together wait together, and the loop stays free."""
await exercise.race("report")
### BEGIN HIDDEN TESTS
await exercise.concurrency("report")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A price from a slow supplier
#
# `GET /prices/{item}?wait=...` calls a supplier that requires a pause of `wait` seconds before each call. The response is
#
# `{"item": 17, "supplier": "north"}`
#
# **The rule:** every request waits for as long as its own `wait` says, even if the same item was requested a moment ago or is being
# requested right now. Don't cache the result, and don't let two requests share one wait.
# **The goal:** the waits overlap, and the loop stays free.
#
# <details><summary>Hint 1: a question</summary>
#
# How many functions are there between the endpoint and the sleep? Which of them may contain `await` as they stand?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Start at the bottom, where the thread sleeps, and follow the calls upwards. A function that awaits must be a coroutine function,
# and a coroutine that isn't awaited never runs. Lesson 01 has the same chain behind `/beans`.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Draw the chain: sleep ← helper ← helper ← endpoint. If the sleep becomes awaitable, each arrow needs two changes, one in the function that calls
# and one in the call itself. Count them before you run the check.
# (There is also a way that changes only the endpoint: it moves the whole chain to another thread.)
#
# </details>
#
# **What this check does not look for:** whether you change the whole chain, or only the thread that runs it.
#
# This is the timeline to aim for:

# %%
exercise.target("price")

# %% [markdown]
# This is the file to fix:

# %% app="price"
# %%app price.py

# %% answers="price"
"""Correct responses: every item comes with its supplier, and none arrives before the supplier allows it."""
await exercise.answers("price")

# %% concurrency="price"
"""Concurrency: prices that are requested together wait together, and the loop stays free."""
await exercise.race("price")
### BEGIN HIDDEN TESTS
await exercise.concurrency("price")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. An order that is slowed down
#
# `POST /orders/{number}?wait=...` accepts an order. Before the endpoint runs, a dependency slows the client down:
# it waits for `wait` seconds, so that no client can flood the shop. Then the response is
#
# `{"order": 17, "state": "accepted"}`
#
# **The rule:** every order is slowed down, and every order is accepted.
# **The goal:** an order that waits doesn't make other orders wait.
#
# <details><summary>Hint 1: a question</summary>
#
# The endpoint doesn't sleep. Which function does, and on which thread does FastAPI run it?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# FastAPI decides for each function separately: `async def` runs on the event loop, `def` runs in the thread pool.
# So changing the endpoint alone doesn't help.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# In the function that Hint 1 asks for, change either the keyword in front of its name or the call in its body.
# If you change both, you get a `def` function that creates a coroutine and never awaits it.
#
# </details>
#
# **What this check does not look for:** whether the wait stays in a dependency.
#
# This is the timeline to aim for:

# %%
exercise.target("order")

# %% [markdown]
# This is the file to fix:

# %% app="order"
# %%app order.py

# %% answers="order"
"""Correct responses: every order is accepted under its own number, and none before its wait is over."""
await exercise.answers("order")

# %% concurrency="order"
"""Concurrency: orders that arrive together are slowed down together, and the loop stays free."""
await exercise.race("order")
### BEGIN HIDDEN TESTS
await exercise.concurrency("order")
### END HIDDEN TESTS

# %% [markdown]
# ## Take it home
#
# There are now three files next to this notebook: `report.py`, `price.py` and `order.py`. They need nothing from this course.
# Compare them with your own code: where does it sleep, and on which thread?
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your files as they were last saved,
# hidden tests included, and prints how many points they get. It may take a minute, and it isn't graded itself.
#
# In a terminal, in the course's folder, `./course grade notebooks/01_sleeping/exercise_01_sleeping.ipynb`
# prints the same for the notebook as you last saved it.

# %%
await exercise.verdict()
