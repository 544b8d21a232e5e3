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
# A statistics office ranks long lists and walks long routes. Both keep a CPU busy, and neither lets go of the GIL.
# Repair two endpoints. This takes about 15 minutes. You need lesson 08, *Processes*.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **right answers**: what is answered, and that the work was really done |
# | 2 | **concurrency**: the loop stays free for others while the work is done |
#
# A cell that begins with `%%app` is the whole file. Keep the paths and the answers as they are, and the first line of the cell:
# without it nothing is saved. Run the cell again after each change. Line numbers in messages count it as line 1.
#
# The checks try once. The hidden tests try several times, with other numbers.
# A check that does not pass yet says *Not yet*, and why. Mend the file and run the check again.
#
# ## The workshop
#
# The work itself is ready: a colleague wrote it. It is in `workshop.py`, beside this notebook. Open it: it is short.
#
# - `ranking(token)` sorts a long list. Nearly all of its time is one call of `sorted`.
# - `route(token)` takes a million and a half small steps in plain Python.
#
# Both return a number. Import them, and do not change them: the judge, the program that gives the points, brings its own copy.
# There each piece of work reports that it has arrived, waits until it may begin, and starts from a number that nobody can know beforehand.
# So it has to be done. That works in another process, too.
#
# The next cell brings in the tools of the course. If it says `ModuleNotFoundError`, the notebook is not running in the
# course's own Python: close it and start it with `./course lab`. After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A long list in order
#
# `GET /rankings/{token}` makes one ranking and answers with its number:
#
# `{"ranking": "a1b2c3", "number": 271828}`
#
# **The rule:** one ranking is made for each request. While it is made, everybody else must be served.
# It is no mistake if the rankings are made one after the other: there may be only one CPU.
#
# <details><summary>Hint 1: a question</summary>
#
# Would a thread help here? Who has the GIL while `sorted` sorts?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Another process has a GIL of its own. A `ProcessPoolExecutor` is opened once, in the lifespan, and a loop can wait for it:
# `loop.run_in_executor`.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# @asynccontextmanager
# async def lifespan(app):
#     with ProcessPoolExecutor(...) as app.state.pool:
#         yield
# ```
#
# In the endpoint: `await loop.run_in_executor(app.state.pool, ...)`, with the function and its argument.
#
# </details>
#
# This is the picture to aim for. Look at the canary and the lane of the loop. Your bars will be longer, and they end one after the other:
# the check lets the work begin one at a time, and work needs a core.

# %%
exercise.target("ranking")

# %% [markdown]
# This is the file to repair:

# %% app="ranking"
# %%app ranking.py

# %% answers="ranking"
"""Right answers: every ranking comes with its own number."""
await exercise.answers("ranking")

# %% [markdown]
# The next check stops each request at the workshop's door, and sees whether the loop answers others meanwhile.
# Then it lets the work begin, and looks again.

# %% concurrency="ranking"
"""The loop stays free: before the work, and while it is done."""
await exercise.race("ranking")
### BEGIN HIDDEN TESTS
await exercise.concurrency("ranking")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A long walk
#
# `GET /routes/{token}` walks one route and answers with where it leads:
#
# `{"route": "a1b2c3", "number": 314159}`
#
# Somebody has repaired this endpoint already: the work is in a thread. Run the check, and look at the canaries.
#
# **The rule:** one route is walked for each request. While it is walked, everybody else must be served.
#
# <details><summary>Hint 1: a question</summary>
#
# The thread does its work in plain Python. What does a thread need for each step, and what does the loop need for each of its own?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Whoever wants the GIL gets it, but only after five milliseconds. If several threads work, the loop waits for each of them.
# One thread alone delays it least (lesson 07), and still too much here: only another process leaves the lock alone.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# number = await loop.run_in_executor(app.state.pool, route, token)
# ```
#
# The pool is like the one of the first endpoint: a pool of processes.
#
# </details>
#
# This is the picture to aim for. Look at the canary and the lane of the loop. Your bars will be longer, and they end one after the other:
# the check lets the work begin one at a time, and work needs a core.

# %%
exercise.target("route")

# %% [markdown]
# This is the file to repair:

# %% app="route"
# %%app route.py

# %% answers="route"
"""Right answers: every route leads where it leads."""
await exercise.answers("route")

# %% concurrency="route"
"""The loop stays free: before the work, and while it is done."""
await exercise.race("route")
### BEGIN HIDDEN TESTS
await exercise.concurrency("route")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Beside this notebook there are now `ranking.py` and `route.py`. Put them beside your own code and compare.
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your files as they were saved last,
# hidden tests included, and says how many points they get. It may take a minute. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/08_processes/exercise_08_processes.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
