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
# # Exercise 07: Threads
#
# A photo shop makes small pictures of large ones, and guards its customers' passwords. Both keep a CPU busy.
# Repair two endpoints. This takes about 15 minutes. You need lesson 07, *Threads*.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **right answers**: what is answered, and that the work was really done |
# | 2 | **concurrency**: requests are at work side by side, and the loop stays free for others |
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
# - `thumbnail(token)` draws a picture and shrinks it.
# - `stamp(text)` hashes a text slowly, as passwords should be hashed.
#
# Both return a number. Import them, and do not change them: the judge, the program that gives the points, brings its own copy.
# There each piece of work reports that it has arrived, waits until it may begin, and starts from a number that nobody can know beforehand.
# So it has to be done.
#
# The next cell brings in the tools of the course. If it says `ModuleNotFoundError`, the notebook is not running in the
# course's own Python: close it and start it with `./course lab`. After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A picture that is made small
#
# `GET /pictures/{token}` makes one thumbnail and answers with its number:
#
# `{"picture": "a1b2c3", "thumbnail": 271828}`
#
# **The rule:** one thumbnail is made for each request. While it is made, everybody else must be served.
# Four guests who come together must all be under way at once, whatever machine this runs on: a pool of your own needs at least four places.
#
# <details><summary>Hint 1: a question</summary>
#
# Nothing waits here: there is no network and no disk. So what is the loop's thread doing all this time?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Pillow lets go of the GIL, Python's one lock, while it works. So another thread can do it, and the loop goes on meanwhile.
# You know three ways to hand a function to a thread.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# number = await asyncio.to_thread(...)     # the function and its argument, not its result
# ```
#
# </details>
#
# This is the picture to aim for. Look at the canary and the lane of the loop. Your bars will be longer, and they end one after the other:
# the check lets the work begin one at a time, and work needs a core.

# %%
exercise.target("picture")

# %% [markdown]
# This is the file to repair:

# %% app="picture"
# %%app picture.py

# %% answers="picture"
"""Right answers: every picture comes with the number of its own thumbnail."""
await exercise.answers("picture")

# %% [markdown]
# The next check is a **rendezvous** at the workshop's door: no work begins until all requests of the race have come.
# If they meet there, they are certainly under way side by side. Then they work one after the other, and a canary is watched beside each.

# %% concurrency="picture"
"""Side by side: all requests come to the workshop together, and the loop stays free while each one works."""
await exercise.race("picture")
### BEGIN HIDDEN TESTS
await exercise.concurrency("picture")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A login
#
# `GET /logins/{token}` stamps two texts. For the token `a1b2c3` the password is `a1b2c3-1`, and the session is `a1b2c3-2`.
# The password is stamped in a dependency, the session in the endpoint. The answer has both numbers:
#
# `{"login": "a1b2c3", "password": 314159, "session": 271828}`
#
# **The rule:** each text is stamped once. While that is done, everybody else must be served.
# One request may stamp its texts one after the other, or together. A pool of your own needs at least four places here, too.
#
# <details><summary>Hint 1: a question</summary>
#
# Which lines keep the loop busy? There are two. One of them is two calls away from the endpoint.
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# A dependency can be `def` as well: then it runs in a thread. Of an `async def` function, only what is handed to a thread runs there.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# async def user(token: str):
#     return await asyncio.to_thread(...)    # the helper, and what it needs
# ```
#
# The endpoint needs the same for its own stamp.
#
# </details>
#
# This is the picture to aim for. Look at the canary and the lane of the loop. Your bars will be longer, and they end one after the other:
# the check lets the work begin one at a time, and work needs a core.

# %%
exercise.target("login")

# %% [markdown]
# This is the file to repair:

# %% app="login"
# %%app login.py

# %% answers="login"
"""Right answers: every login comes with the numbers of its own password and its own session."""
await exercise.answers("login")

# %% concurrency="login"
"""Side by side: all logins come to the workshop together, and the loop stays free while each one works."""
await exercise.race("login")
### BEGIN HIDDEN TESTS
await exercise.concurrency("login")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Beside this notebook there are now `picture.py` and `login.py`. Put them beside your own code and compare.
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your files as they were saved last,
# hidden tests included, and says how many points they get. It may take a minute. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/07_threads/exercise_07_threads.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
