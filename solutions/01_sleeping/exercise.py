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
# Three endpoints block the event loop. Repair them, one after the other.
# This takes about 20 minutes. You need lesson 01, *Sleeping*.
#
# Each endpoint has a cell that begins with `%%app`. That cell is the whole file. Change what you like in it,
# but keep the paths and the answers as they are. Run the cell again after each change: this saves and serves the file.
# Leave the first line, `%%app ...`, as it is: without it nothing is saved. Line numbers in messages count it as line 1.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **right answers**: what is answered, and that the wait has not become shorter |
# | 2 | **concurrency**: requests wait side by side, and the loop stays free for others |
#
# Two check cells follow each app. The first looks at the answers, one request at a time.
# The second sends a few requests together and draws the picture.
#
# The checks try once. The hidden tests try several times, with other numbers.
#
# A check that does not pass yet says *Not yet*, and why. The notebook is all right then: mend the file and run the check again.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.
# After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A report that takes its time
#
# `GET /reports/{number}?wait=...` prepares a report. That takes as long as `wait` says, in seconds.
# Then it answers with the number of the report:
#
# `{"report": 17, "status": "ready"}`
#
# **The rule:** the wait must stay. Whoever asks for half a second must not be answered earlier.
# But while one report is being prepared, everybody else must be served.
#
# <details><summary>Hint 1: a question</summary>
#
# Which line holds the thread, and what could the thread do in that time?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways. One keeps `async def` and changes the sleep. The other keeps the sleep and changes the `def`.
# Lesson 01 shows both in a café.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# import ...                 # another module than before
#
# async def report(...):
#     await ...              # a sleep that can be awaited
#     return ...             # unchanged
# ```
#
# </details>
#
# This is the picture to aim for:

# %%
exercise.target("report")

# %% [markdown]
# This is the file to repair:

# %% app="report"
# %%app report.py

# %% answers="report"
"""Right answers: every report has its own number, and comes no earlier than it was asked to."""
await exercise.answers("report")

# %% concurrency="report"
"""Side by side: reports that are asked for together wait together, and the loop stays free."""
await exercise.race("report")
### BEGIN HIDDEN TESTS
await exercise.concurrency("report")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A price that someone else knows
#
# `GET /prices/{item}?wait=...` asks a supplier. The supplier wants us to be patient: `wait` seconds for each question.
# The endpoint answers
#
# `{"item": 17, "supplier": "north"}`
#
# **The rule:** the patience must stay, as long as `wait` says and for every question anew.
# Answers must not be kept for later: the next question is a new one, even for the same item.
#
# <details><summary>Hint 1: a question</summary>
#
# From the endpoint to the sleep, how many functions are there? Which of them may contain `await` as they stand?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Begin at the bottom, where the thread sleeps. A function that awaits must be `async def`.
# Whoever calls an `async def` function must await the call. Follow the calls upwards.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# async def back_off(seconds):
#     await ...
#
# async def ask_supplier(item, wait):
#     await ...              # the function above
#     return ...
#
# async def price(...):
#     return ...             # what is missing in front of this call?
# ```
#
# </details>
#
# This is the picture to aim for:

# %%
exercise.target("price")

# %% [markdown]
# This is the file to repair:

# %% app="price"
# %%app price.py

# %% answers="price"
"""Right answers: every item comes with its supplier, and no earlier than the supplier allows."""
await exercise.answers("price")

# %% concurrency="price"
"""Side by side: questions that are asked together wait together, and the loop stays free."""
await exercise.race("price")
### BEGIN HIDDEN TESTS
await exercise.concurrency("price")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. An order that is slowed down
#
# `POST /orders/{number}?wait=...` accepts an order. Before the endpoint runs, a dependency slows the caller down:
# it waits for `wait` seconds, so that nobody can flood the shop. Then the answer is
#
# `{"order": 17, "state": "accepted"}`
#
# **The rule:** every order is slowed down, and every order is accepted.
# But a customer who waits must not make the others wait.
#
# <details><summary>Hint 1: a question</summary>
#
# The endpoint does not sleep. Who does, and on which thread does FastAPI call it?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# FastAPI decides for each function separately: `async def` runs on the event loop, `def` runs in the thread pool.
# Changing the endpoint does not help here.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# One of the two, not both:
#
# - the dependency keeps `async def`, and its only line becomes one that awaits;
# - the dependency keeps its only line, and the line with its name loses a word.
#
# </details>
#
# This is the picture to aim for:

# %%
exercise.target("order")

# %% [markdown]
# This is the file to repair:

# %% app="order"
# %%app order.py

# %% answers="order"
"""Right answers: every order is accepted under its own number, and no earlier than it was slowed down to."""
await exercise.answers("order")

# %% concurrency="order"
"""Side by side: orders that come together are slowed down together, and the loop stays free."""
await exercise.race("order")
### BEGIN HIDDEN TESTS
await exercise.concurrency("order")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Beside this notebook there are now three files: `report.py`, `price.py` and `order.py`. They need nothing from this course.
# Put them beside your own code and compare: where do you sleep, and on whose thread?
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your files as they were saved last,
# hidden tests included, and says how many points they get. It may take a minute. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/01_sleeping/exercise_01_sleeping.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
