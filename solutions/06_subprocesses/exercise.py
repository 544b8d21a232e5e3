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
# A travel agency gets its prices from an old program: for each price it starts the program and reads what it prints. Fix three endpoints. The third already has a fix, which looks right.
#
# **About 25 minutes.** You need lesson 06, *Subprocesses*, and for the third endpoint its section *Deeper: programs that start programs*.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **correct responses**: the right values, really fetched or computed for this request |
# | 2 | **concurrency**: requests overlap, and the event loop stays free for other requests |
#
# A cell that begins with `%%app` is a whole file. Change what you like in it, but keep the paths, the responses and the cell's first line: without that line nothing is saved. Run the cell
# again after each change. Line numbers in messages count the first line as line 1.
#
# The checks run once; the hidden tests run several times, with other values. A check that doesn't pass yet prints *Not yet* and the reason. Fix the file, run its cell, and run the check again.
#
# The next cell loads the tools of the course and creates the old program. Your app finds its path in the environment variable `PRICE_COMMAND`. Run with a token as its argument, it prints one number when it's ready. If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment: close it and start it with `./course lab`. After a restart of the kernel, run
# this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A price from the old program
#
# `GET /quotes/{token}` runs the program with the token and responds with the number that it prints:
#
# `{"item": "a1b2c3", "price": 271828}`
#
# **The rule:** start the program exactly once for each request.
#
# **The goal:** while the program works, every other request is served, and the programs of several requests run at the same time.
#
# <details><summary>Hint 1: a question</summary>
#
# What does the event loop's thread do from the start of the program until its end?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# asyncio can start programs too, and lets you await their end. Or keep `subprocess`, and let a different thread do the waiting.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# If you choose asyncio, there are two things to await, in this order: the process, and then its whole output. When you start the process, you have to say that you want to read its output. The method that reads the output
# returns a pair; you need its first half.
#
# Then do a thought experiment: if the program printed a megabyte before it ends, would your version still finish?
#
# </details>
#
# This is the timeline to aim for. Compare the event loop lane, not the length of the bars: the check decides how long each request takes.

# %%
exercise.target("quote")

# %% [markdown]
# This is the file to fix:

# %% app="quote"
# %%app quote.py

# %% answers="quote"
"""Correct responses: every item comes with the price that the program prints for it."""
await exercise.answers("quote")

# %% [markdown]
# The next check is a **rendezvous**: no program is allowed to end until all requests of the race have started theirs. If all of them get that far, the programs certainly ran at the same time; if they don't, the check says
# what prevented it.
#
# **What this check does not look for:** output that is longer than a pipe holds, so `wait` before reading passes (lesson 06 shows what goes wrong then), and a timeout of your own that is too short, because no program is held for long.

# %% concurrency="quote"
"""Concurrency: all programs are running at the same moment, and the loop stays free."""
await exercise.race("quote")
### BEGIN HIDDEN TESTS
await exercise.concurrency("quote")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A tour of two parts
#
# `GET /tours/{token}` adds up the price of a tour. Each tour has two parts: for the token `a1b2c3` they are `a1b2c3-1` and `a1b2c3-2`. The endpoint runs the program once for each part, and responds with the sum:
#
# `{"tour": "a1b2c3", "total": 314159}`
#
# The loop is already free here. Find out what still waits unnecessarily.
#
# **The rule:** the program runs exactly once for each part.
#
# **The goal:** both programs of a tour run at the same time, and the loop stays free.
#
# <details><summary>Hint 1: a question</summary>
#
# When is the second program started? Does it need what the first one prints?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# `await` waits before the next line runs. A coroutine does nothing until it's awaited or given to a task. So something has to start both before the first result is needed: lesson 02 and lesson 06 use the same function for it.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Count the `await`s. If there are two, one per line, the second call begins when the first is done. How many do you need if you wait for both results together? The helper `price` stays as it is.
#
# </details>
#
# This is the timeline to aim for. Compare the event loop lane, not the length of the bars: the check decides how long each request takes.

# %%
exercise.target("tour")

# %% [markdown]
# This is the file to fix:

# %% app="tour"
# %%app tour.py

# %% answers="tour"
"""Correct responses: every tour has the total of its own two parts."""
await exercise.answers("tour")

# %% [markdown]
# **What this check does not look for:** what happens to the second program if the first one fails. Ask yourself which of `gather` and `TaskGroup` would leave it running.

# %% concurrency="tour"
"""Concurrency: both programs of every tour run at the same moment, and the loop stays free."""
await exercise.race("tour")
### BEGIN HIDDEN TESTS
await exercise.concurrency("tour")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. An offer in time
#
# `GET /offers/{token}?patience=2.5` asks for a price as well, but its client can't wait forever. If the program prints the price within `patience` seconds, the response is
#
# `{"item": "a1b2c3", "price": 271828}`
#
# and otherwise
#
# `{"item": "a1b2c3", "late": true}`
#
# A colleague wrote this endpoint with lesson 06 in hand: it's async, it has a timeout, and it kills what it started. Since then the server has been running out of memory on days when the program is slow, and `ps` lists
# hundreds of copies of it.
#
# **The rule:** start the program exactly once for each request. After a response that says *late*, that program must be gone, because its result is no longer needed.
#
# **The goal:** while programs run, every other request is served, and all programs run at the same time.
#
# <details><summary>Hint 1: a question</summary>
#
# How many processes does one request start? Which of them does the app know by its process ID?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Try it in a terminal: `bash -c 'sleep 60 | tail -n 1' &` starts a shell with two programs, `kill $!` ends the shell, and `ps -o pid,ppid,args` shows what's left. A signal goes to one process, unless you send it to a whole group. The lesson's section *Deeper: programs that start programs* has the details.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# There are two ways. Either only one process is started, and then there's no other one to stop; then some other line has to do what the second program of the pipeline did. Or the processes of one request belong together from the start, and are ended together. In both, wait
# for the end of what you have killed.
#
# </details>
#
# This is the timeline to aim for. Compare the event loop lane, not the length of the bars. The check also sends requests that give up, which the picture doesn't show.

# %%
exercise.target("offer")

# %% [markdown]
# This is the file to fix:

# %% app="offer"
# %%app offer.py

# %% answers="offer"
"""Correct responses: every item comes with the price that the program prints for it."""
await exercise.answers("offer")

# %% [markdown]
# **What this check does not look for:** a process that was killed and never waited for. It stays in the table of processes, as a *zombie*, until the app has waited for it.

# %% concurrency="offer"
"""Concurrency: all programs are running at the same moment, the loop stays free, and a program ends when its request gives up."""
await exercise.race("offer")
### BEGIN HIDDEN TESTS
await exercise.concurrency("offer")
### END HIDDEN TESTS

# %% [markdown]
# ## Take it home
#
# Next to this notebook there are now three files: `quote.py`, `tour.py` and `offer.py`. Compare them with your own code.
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your files as they were last saved, hidden tests included, and prints how many points they get. It may take a minute, and it isn't graded itself.
#
# In a terminal, in the course's folder, `./course grade notebooks/06_subprocesses/exercise_06_subprocesses.ipynb` prints the same for the notebook as you last saved it.

# %%
await exercise.verdict()
