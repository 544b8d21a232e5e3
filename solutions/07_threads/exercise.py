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
# A photo shop makes thumbnails of large pictures, and hashes its customers' passwords. Both kinds of work are CPU-bound. Fix three endpoints. The third has been fixed once already, and that didn't help.
#
# **About 25 minutes.** You need lesson 07, *Threads*, and for the third endpoint its section *Deeper: two fixes that don't fix*.
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
# ## The workshop
#
# The work itself is given, in `workshop.py` next to this notebook. Open it; it's short.
#
# - `thumbnail(token)` draws a picture and shrinks it.
# - `stamp(text)` hashes a text slowly, as passwords should be hashed.
#
# Both return a number. Import them, and don't change them: the judge, the program that grades your files, uses its own copy. In that copy, each piece of work reports that it has begun, waits until the judge lets it go on, and starts from a number that can't be known
# beforehand. So your app really has to do the work.
#
# The next cell loads the tools of the course. If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment: close it and start it with `./course lab`. After a restart of the kernel, run
# this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## 1. A thumbnail
#
# `GET /pictures/{token}` makes one thumbnail and responds with its number:
#
# `{"picture": "a1b2c3", "thumbnail": 271828}`
#
# **The rule:** make exactly one thumbnail for each request. Four requests that arrive together must all be in progress at the same time, on any machine: if you create a pool of your own, give it at least four threads.
#
# **The goal:** while a thumbnail is made, every other request is served.
#
# <details><summary>Hint 1: a question</summary>
#
# Nothing waits here: there is no network and no disk. So what does the event loop's thread do all this time?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Pillow releases the GIL while it works. So a different thread can do the work while the loop goes on. Lesson 07 has three ways to get the work there; one of them changes a single word.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Whichever way you choose, read your line from the inside out, as Python does, and ask at each pair of parentheses: is this call made *now*, on this thread, or is it described for a thread that will make it later?
#
# </details>
#
# This is the timeline to aim for. Compare the canary and the event loop lane. Your bars will be longer and end one after the other, because the check lets the work start one at a time, and work needs a core.

# %%
exercise.target("picture")

# %% [markdown]
# This is the file to fix:

# %% app="picture"
# %%app picture.py

# %% answers="picture"
"""Correct responses: every picture comes with the number of its own thumbnail."""
await exercise.answers("picture")

# %% [markdown]
# The next check is a **rendezvous** in the workshop: no work begins until all requests of the race have got there. If they all do, they're certainly in progress at the same time. Then the check lets the pieces of work run one at a time, and watches a canary during each of them.
#
# **What this check does not look for:** how many threads you would start for a hundred requests. Lesson 07 shows why that matters for work that computes.

# %% concurrency="picture"
"""Concurrency: all requests reach the workshop together, and the loop stays free while each one works."""
await exercise.race("picture")
### BEGIN HIDDEN TESTS
await exercise.concurrency("picture")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A login
#
# `GET /logins/{token}` stamps two texts. For the token `a1b2c3` the password is `a1b2c3-1`, and the session is `a1b2c3-2`. The password is stamped in a dependency, the session in the endpoint. The response has both numbers:
#
# `{"login": "a1b2c3", "password": 314159, "session": 271828}`
#
# **The rule:** each text is stamped exactly once. One request may stamp its texts one after the other, or concurrently. A pool of your own needs at least four threads here, too.
#
# **The goal:** while a text is stamped, every other request is served.
#
# <details><summary>Hint 1: a question</summary>
#
# Which lines keep the loop busy? There are two, and one of them is two calls away from the endpoint.
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# FastAPI treats a dependency as it treats an endpoint: `def` runs in a thread, `async def` on the loop. Inside an `async def`, only what you offload yourself leaves the loop.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# List the functions in the file. For each one, write down what calls it (FastAPI, or other code in the file), and on which thread it therefore runs. The two stamps need not be fixed in the same way. For one of them, removing something may be enough; for the other, remember part 1 of this exercise.
#
# </details>
#
# This is the timeline to aim for. Compare the canary and the event loop lane. Your bars will be longer and end one after the other, because the check lets the work start one at a time, and work needs a core.

# %%
exercise.target("login")

# %% [markdown]
# This is the file to fix:

# %% app="login"
# %%app login.py

# %% answers="login"
"""Correct responses: every login comes with the numbers of its own password and its own session."""
await exercise.answers("login")

# %% [markdown]
# **What this check does not look for:** whether the password is correct. `stamp` only stands for the expensive half of a login.

# %% concurrency="login"
"""Concurrency: all logins reach the workshop together, and the loop stays free while each one works."""
await exercise.race("login")
### BEGIN HIDDEN TESTS
await exercise.concurrency("login")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. An album
#
# `GET /albums/{token}` makes the two pages of an album. For the token `a1b2c3`, they are the thumbnails of `a1b2c3-1` and `a1b2c3-2`:
#
# `{"album": "a1b2c3", "pages": [314159, 271828]}`
#
# Whenever an album was ordered, the whole site stopped. The last fix looked right: a colleague gave the loop a chance to serve others after every page. The reviewers liked that there was an `await` now, and merged the change. The site still stops.
#
# **The rule:** each page is made exactly once, and the pages stay in their order. One request may make its pages one after the other, or concurrently. A pool of your own needs at least four threads here, too.
#
# **The goal:** while a page is made, every other request is served.
#
# <details><summary>Hint 1: a question</summary>
#
# What is the longest time for which the loop serves no other request, and what does that time depend on?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# The message names a line. Can you divide what that line does into smaller parts? If not, the number of pauses around it makes no difference. The lesson's section on fixes that don't fix measures this with one request and with eight.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# Decide what one job for a thread is: a page, or a whole album. Both are right here. For each, write down how often a request changes threads, and in which line it can be suspended. Then ask whether the colleague's line is still needed.
#
# </details>
#
# **What this check does not look for:** how many threads you would start for a hundred albums.
#
# This is the timeline to aim for. Compare the canary and the event loop lane. Your bars will be longer and end one after the other, because the check lets the work start one at a time, and work needs a core.

# %%
exercise.target("album")

# %% [markdown]
# This is the file to fix:

# %% app="album"
# %%app album.py

# %% answers="album"
"""Correct responses: every album comes with the numbers of its own two pages, in their order."""
await exercise.answers("album")

# %% concurrency="album"
"""Concurrency: all albums reach the workshop together, and the loop stays free while each page is made."""
await exercise.race("album")
### BEGIN HIDDEN TESTS
await exercise.concurrency("album")
### END HIDDEN TESTS

# %% [markdown]
# ## Take it home
#
# Next to this notebook there are now `picture.py`, `login.py` and `album.py`. Compare them with your own code.
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your files as they were last saved, hidden tests included, and prints how many points they get. It may take a minute, and it isn't graded itself.
#
# In a terminal, in the course's folder, `./course grade notebooks/07_threads/exercise_07_threads.ipynb` prints the same for the notebook as you last saved it.

# %%
await exercise.verdict()
