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
# # Exercise 06: Subprocesses
#
# A travel agency asks an old program for its prices. For each question it starts the program and reads what it prints.
# Repair two endpoints. This takes about 15 minutes. You need lesson 06, *Subprocesses*.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **right answers**: what is answered, and that it was really asked for |
# | 2 | **concurrency**: requests are under way side by side, and the loop stays free for others |
#
# A cell that begins with `%%app` is the whole file. Keep the paths and the answers as they are, and the first line of the cell:
# without it nothing is saved. Run the cell again after each change. Line numbers in messages count it as line 1.
#
# The checks try once. The hidden tests try several times, with other numbers.
# A check that does not pass yet says *Not yet*, and why. Mend the file and run the check again.
#
# The next cell brings in the tools of the course, and makes the old program. Your app finds its path in the environment
# variable `PRICE_COMMAND`. Run with a token as its argument, it prints one number when it is ready.
# If the cell says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`. After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A price from the old program
#
# `GET /quotes/{token}` runs the program with the token and answers with the number that it prints:
#
# `{"item": "a1b2c3", "price": 271828}`
#
# **The rule:** one program is started for each request. While it works, everybody else must be served.
#
# <details><summary>Hint 1: a question</summary>
#
# What does the thread do from the start of the program until its end?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# `asyncio` can start programs, too: `asyncio.create_subprocess_exec`. Its waiting is awaited.
# Or keep `subprocess`, and let it wait on another thread.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# process = await asyncio.create_subprocess_exec(PRICE, ..., stdout=...)
# output, _ = await process....      # reads all that is printed, and waits for the end
# ```
#
# </details>
#
# This is the picture to aim for. Compare the lane of the loop, not the bars: their length is up to the check.

# %%
exercise.target("quote")

# %% [markdown]
# This is the file to repair:

# %% app="quote"
# %%app quote.py

# %% answers="quote"
"""Right answers: every item comes with the price that the program prints for it."""
await exercise.answers("quote")

# %% [markdown]
# The next check is a **rendezvous**: no program is let go until all requests of the race have started theirs.
# If they meet there, they certainly ran side by side; if they do not, the check says what kept them apart.

# %% concurrency="quote"
"""Side by side: all programs are running at one moment, and the loop stays free."""
await exercise.race("quote")
### BEGIN HIDDEN TESTS
await exercise.concurrency("quote")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A tour of two parts
#
# `GET /tours/{token}` adds up a tour. Each tour has two parts: for the token `a1b2c3` they are `a1b2c3-1` and `a1b2c3-2`.
# The endpoint runs the program once for each part, and answers with the sum:
#
# `{"tour": "a1b2c3", "total": 314159}`
#
# Here the loop is free already. Look for something else that waits needlessly.
#
# **The rule:** each part is asked for once. Both programs of a tour must run at the same time, and the loop must stay free.
#
# <details><summary>Hint 1: a question</summary>
#
# When is the second program started? Does it need what the first one prints?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# An `await` waits before it goes on. Make both coroutines first, and then await them together:
# a coroutine does nothing until it is awaited, or given to a task.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# first, second = await asyncio.gather(...)     # one coroutine for each part
# ```
#
# </details>
#
# This is the picture to aim for. Compare the lane of the loop, not the bars: their length is up to the check.

# %%
exercise.target("tour")

# %% [markdown]
# This is the file to repair:

# %% app="tour"
# %%app tour.py

# %% answers="tour"
"""Right answers: every tour has the total of its own two parts."""
await exercise.answers("tour")

# %% concurrency="tour"
"""Side by side: both programs of every tour run at one moment, and the loop stays free."""
await exercise.race("tour")
### BEGIN HIDDEN TESTS
await exercise.concurrency("tour")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Beside this notebook there are now two files: `quote.py` and `tour.py`. Put them beside your own code and compare.
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your files as they were saved last,
# hidden tests included, and says how many points they get. It may take a minute. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/06_subprocesses/exercise_06_subprocesses.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
