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
# # Exercise 05: Files
#
# An archive stores each document in a file. Some of these files are slow: they are on a network share, or on a disk that has to spin up first. Fix the two endpoints that read them.
#
# **About 20 minutes.** You need lesson 05, *Files*, and for the second endpoint a tool from lesson 02, *Calling HTTP*.
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
# The next cell loads the tools of the course and creates a folder of slow files. Your app finds it in the environment variable `DOCUMENTS`. The files are **named pipes**: reading one waits until something is
# written into it. So the check knows which files are being read, and decides when there is something to read. If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment: close it and start it with `./course lab`. After a restart of the kernel, run
# this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A document from the archive
#
# `GET /documents/{token}` reads the file of that name in the folder `DOCUMENTS`. The file holds a number, and the response is
#
# `{"document": "a1b2c3", "number": 271828}`
#
# **The rule:** each request reads its own file. Everything that touches the disk runs off the event loop: opening the file, reading it and closing it.
#
# **The goal:** while one file makes its reader wait, every other request is served.
#
# <details><summary>Hint 1: a question</summary>
#
# Which calls in this endpoint may wait for the disk? On which thread does each of them run?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# asyncio can't read a file without a thread. You can offload the job yourself, let FastAPI do it, or use a package that offloads behind an `await`. Lesson 05 shows all three, and one
# way that offloads only half of the job.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Split the endpoint in two. The first part is an ordinary function that takes the token, reads the file, and returns the text. The second part touches no file: it runs the first part in a thread, awaits it, and builds the response.
#
# There's also a much shorter way: which single word could you remove from the original, and why does FastAPI care about that word?
#
# </details>
#
# This is the timeline to aim for. Compare the event loop lane, not the length of the bars: the check decides how long each request takes.

# %%
exercise.target("document")

# %% [markdown]
# This is the file to fix:

# %% app="document"
# %%app document.py

# %% answers="document"
"""Correct responses: every document comes with the number in its own file."""
await exercise.answers("document")

# %% [markdown]
# The next check is a **rendezvous**: nothing is written into any of the files until all of them are being read. If all the readers get that far, they certainly waited concurrently; if they don't, the check
# says what prevented it.
#
# Opening a file may wait as well, as on a slow network share, and here it does. So an `open` on the event loop is found, even if `read` is offloaded.
#
# **What this check does not look for:** whether each file is closed. A service that runs for weeks has to close its files, because every open file uses up a file descriptor.

# %% concurrency="document"
"""Concurrency: all files are being read at the same moment, and the loop stays free."""
await exercise.race("document")
### BEGIN HIDDEN TESTS
await exercise.concurrency("document")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A ledger
#
# A ledger consists of two files: for the token `a1b2c3` they are `a1b2c3-1` and `a1b2c3-2`, and each holds a number. `GET /ledgers/{token}` reads both and adds them up:
#
# `{"ledger": "a1b2c3", "total": 314159}`
#
# The endpoint used to read one file after the other, on the loop. Then a colleague who had read about threads gave each file one of its own, so that both are read at the same time. That part
# works: a single ledger now takes half as long. The change was merged, and the rest of the app still stops while a ledger is read.
#
# **The rule:** each request reads each of its two files exactly once, however long that takes.
#
# **The goal:** both files of a ledger are read at the same moment, and the loop stays free.
#
# <details><summary>Hint 1: a question</summary>
#
# The files are read in threads. Which thread waits until these have finished, and in which line?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Starting work in a thread is one thing, getting its result is another. Lesson 05 measures both in one cell, and lists the ways to wait that block the calling thread. Which thread calls them here?
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Either the endpoint awaits both reads together: then each read needs an awaitable, and lesson 02 has what waits for several of them. Or the loop doesn't wait here at all:
# the file can stay almost as it is if another thread is the one that waits. FastAPI has such a thread.
#
# </details>
#
# **What this check does not look for:** a pool that each request creates and ends, once nothing on the loop waits for it. It passes, and starts two new threads for each request. And a file that makes its reader wait for much longer than a few seconds.
#
# The rendezvous sends two ledgers together, and nothing is written until all four files are being read. This is the timeline to aim for. Compare the event loop lane, not the length of the bars.

# %%
exercise.target("ledger")

# %% [markdown]
# This is the file to fix:

# %% app="ledger"
# %%app ledger.py

# %% answers="ledger"
"""Correct responses: every ledger has the total of its own two files."""
await exercise.answers("ledger")

# %% concurrency="ledger"
"""Concurrency: both files of every ledger are being read at the same moment, and the loop stays free."""
await exercise.race("ledger")
### BEGIN HIDDEN TESTS
await exercise.concurrency("ledger")
### END HIDDEN TESTS

# %% [markdown]
# ## When not to bother
#
# A small file on the machine's own disk is read faster than a call gets to a thread and back; lesson 05 measured both. But you can't know on which disk the file will be
# where your code runs. If it may be on a network share, or may be large, use a thread.
#
# ## Take it home
#
# There are now two files next to this notebook: `document.py` and `ledger.py`. Compare them with your own code: what does it open, and which thread waits for the result?
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your files as they were last saved, hidden tests included, and prints how many points they get. It may take a minute, and it isn't graded itself.
#
# In a terminal, in the course's folder, `./course grade notebooks/05_files/exercise_05_files.ipynb` prints the same for the notebook as you last saved it.

# %%
await exercise.verdict()
