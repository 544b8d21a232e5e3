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
# An archive keeps each document in a file. Some files take their time: they are on a network share,
# or on a disk that has to spin up first. Repair the endpoint that reads them.
# This takes about 10 minutes. You need lesson 05, *Files*.
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
# The next cell brings in the tools of the course, and makes a folder of slow files. Your app finds it in the environment
# variable `DOCUMENTS`. The files there are **named pipes**: whoever reads one waits until somebody writes into it.
# So the check knows who is reading, and decides when there is something to read.
# If the cell says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`. After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## A document from the archive
#
# `GET /documents/{token}` reads the file of that name in the folder `DOCUMENTS`. It holds a number, and the endpoint answers
#
# `{"document": "a1b2c3", "number": 271828}`
#
# **The rule:** each request reads its own file. While one file keeps its reader waiting, everybody else must be served.
#
# <details><summary>Hint 1: a question</summary>
#
# Which calls here may wait for the disk: `open`, `read`, or both? On which thread do they run?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# asyncio cannot read a file without a thread. So the whole job (open, read, close) belongs in a thread.
# You can hand it over yourself, let FastAPI do it, or use a library that does it behind an `await`.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# def read(token):
#     ...                       # open and read, as it stands now
#
# async def document(token: str):
#     text = await ...          # let another thread run read(token)
#     return ...                # unchanged
# ```
#
# </details>
#
# This is the picture to aim for. Compare the lane of the loop, not the bars: their length is up to the check.

# %%
exercise.target("document")

# %% [markdown]
# This is the file to repair:

# %% app="document"
# %%app document.py

# %% answers="document"
"""Right answers: every document comes with the number that is in its own file."""
await exercise.answers("document")

# %% [markdown]
# The next check is a **rendezvous**: nothing is written into any of the files until all of them are being read.
# If the readers meet there, they certainly waited side by side; if they do not, the check says what kept them apart.

# %% concurrency="document"
"""Side by side: all files are being read at one moment, and the loop stays free."""
await exercise.race("document")
### BEGIN HIDDEN TESTS
await exercise.concurrency("document")
### END HIDDEN TESTS

# %% [markdown]
# ## When not to bother
#
# A small file on the machine's own disk is read faster than it takes to hand the job to a thread and back.
# The next cell measures both on a file of one kilobyte.

# %%
import asyncio
import time
from pathlib import Path

small = Path("small.txt")
written = small.write_text("x" * 1000)

began = time.perf_counter()
for _ in range(200):
    small.read_text()
direct = (time.perf_counter() - began) / 200

began = time.perf_counter()
for _ in range(200):
    await asyncio.to_thread(small.read_text)
handed_over = (time.perf_counter() - began) / 200
print(f"Read where we are: {direct * 1e6:.0f} µs. Through a thread: {handed_over * 1e6:.0f} µs, {handed_over / direct:.1f} times as long.")
small.unlink()

# %% [markdown]
# What you cannot know is the disk. If a file may be on a network share, or may be large, use the thread.

# %% [markdown]
# ## To take home
#
# Beside this notebook there is now the file `document.py`. Put it beside your own code and compare.
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your files as they were saved last,
# hidden tests included, and says how many points they get. It may take a minute. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/05_files/exercise_05_files.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
