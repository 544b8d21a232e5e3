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
# # Exercise 08: Processes
#
# A statistics office ranks long lists and walks long routes. Both kinds of work are CPU-bound, and neither releases the GIL. Fix two endpoints.
#
# **About 15 minutes.** You need lesson 08, *Processes*.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **correct responses**: the right values, really computed for this request |
# | 2 | **concurrency**: the event loop stays free for other requests while the work is done |
#
# A cell that begins with `%%app` is a whole file. Change what you like in it, but keep the paths, the responses and the cell's first line: without that line nothing is saved. Run the cell
# again after each change. Line numbers in messages count the first line as line 1.
#
# The checks run once; the hidden tests run several times, with other values. A check that doesn't pass yet prints *Not yet* and the reason. Fix the file, run its cell, and run the check again.
#
# ## The workshop
#
# The work itself is given, in `workshop.py` next to this notebook. Open it; it's short.
#
# - `ranking(token)` sorts a long list. Nearly all of its time is a single call of `sorted`.
# - `route(token)` takes a million and a half small steps in plain Python.
#
# Both return a number. Import them, and don't change them: the judge, the program that grades your files, uses its own copy. In that copy, each piece of work reports that it has begun, waits until the judge lets it go on, and starts from a number that can't be known
# beforehand. So your app really has to do the work. This works in another process, too.
#
# The next cell loads the tools of the course. If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment: close it and start it with `./course lab`. After a restart of the kernel, run
# this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A ranking
#
# `GET /rankings/{token}` makes one ranking and responds with its number:
#
# `{"ranking": "a1b2c3", "number": 271828}`
#
# **The rule:** make exactly one ranking for each request. The rankings may be made one after the other, since there may be only one CPU.
#
# **The goal:** while a ranking is made, every other request is served.
#
# <details><summary>Hint 1: a question</summary>
#
# Would a thread help? Which thread holds the GIL while `sorted` sorts?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Another process has a GIL of its own. The standard library has a pool of processes, and asyncio's loop has a method that sends a job to a pool and can be awaited.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Three places in the file change:
#
# 1. Where is the pool opened and closed? Once per app, so not in the endpoint.
# 2. How does the endpoint get at the pool, and at the loop?
# 3. What is sent: the result of a call, or a function and its argument? Can that function be imported by its name?
#
# </details>
#
# This is the timeline to aim for. Compare the canary and the event loop lane. Your bars will be longer and end one after the other, because the check lets the jobs start one at a time, and each of them needs a core.

# %%
exercise.target("ranking")

# %% [markdown]
# This is the file to fix:

# %% app="ranking"
# %%app ranking.py

# %% answers="ranking"
"""Correct responses: every ranking comes with its own number."""
await exercise.answers("ranking")

# %% [markdown]
# The next check holds each request in the workshop, and tests whether the loop serves others in the meantime. Then it lets the work begin, and tests again.
#
# **What this check does not look for:** a pool that is created in each request, if that happens to be fast (lesson 08 shows what it costs), and one that is created when the file is imported.

# %% concurrency="ranking"
"""The loop stays free: before the work, and while it is done."""
await exercise.race("ranking")
### BEGIN HIDDEN TESTS
await exercise.concurrency("ranking")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A route
#
# `GET /routes/{token}` walks one route and responds with the number at which it ends:
#
# `{"route": "a1b2c3", "number": 314159}`
#
# A colleague has fixed this endpoint already: the work is in a thread. Run the check as it is, and compare the canaries with the timeline to aim for.
#
# **The rule:** walk exactly one route for each request.
#
# **The goal:** while a route is walked, every other request is served, and without the delay that a thread causes.
#
# <details><summary>Hint 1: a question</summary>
#
# The thread does its work in plain Python. What does it need for each step, and what does the loop need for each of its own?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Each thread that computes holds the GIL for up to five milliseconds at a time, and the loop waits for all of them. A pool with a single thread delays the loop least (lesson 07), but that's still too much here. Only another process doesn't compete for this lock.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# The first part of this exercise has everything you need. The only difference is which function is sent. If one app had both endpoints, would you open two pools?
#
# </details>
#
# This is the timeline to aim for. Compare the canary and the event loop lane. Your bars will be longer and end one after the other, because the check lets the jobs start one at a time, and each of them needs a core.

# %%
exercise.target("route")

# %% [markdown]
# This is the file to fix:

# %% app="route"
# %%app route.py

# %% answers="route"
"""Correct responses: every route leads where it leads."""
await exercise.answers("route")

# %% [markdown]
# **What this check does not look for:** how many processes your pool has. On your own machine, count the cores; in a container, find out how many it's allowed to use.

# %% concurrency="route"
"""The loop stays free: before the work, and while it is done."""
await exercise.race("route")
### BEGIN HIDDEN TESTS
await exercise.concurrency("route")
### END HIDDEN TESTS

# %% [markdown]
# ## Take it home
#
# Next to this notebook there are now `ranking.py` and `route.py`. Compare them with your own code.
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your files as they were last saved, hidden tests included, and prints how many points they get. It may take a minute, and it isn't graded itself.
#
# In a terminal, in the course's folder, `./course grade notebooks/08_processes/exercise_08_processes.ipynb` prints the same for the notebook as you last saved it.

# %%
await exercise.verdict()
