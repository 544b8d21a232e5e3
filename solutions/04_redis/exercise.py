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
# # Exercise 04: Redis
#
# A shop leaves its heavy work to a worker: it puts a job on a list in Redis, the worker takes it from there,
# and the shop waits for the reply. Three of its endpoints wait in a way that makes other requests wait as well. Fix them, one after the other.
# **About 30 minutes.** You need lesson 04, *Redis*.
#
# Each endpoint has a cell that begins with `%%app`. That cell is the whole file: change whatever you like in it,
# but keep the paths and the responses as they are. Run the cell after every change, which saves the file and serves it.
# Keep the first line, `%%app ...`, or nothing is saved. Line numbers in messages count it as line 1.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **correct responses**: the right values, really fetched from the worker |
# | 2 | **concurrency**: the jobs are in progress at the same time, and the loop stays free for others |
#
# Two check cells follow each app. The first one sends single requests and looks at the responses.
# The second one sends a few requests together and draws the timeline. A check tries once; the hidden tests try several times, with other values.
#
# If a check doesn't pass yet, it says *Not yet* and why. Nothing is broken then: fix the file and run the check again.
#
# The next cell loads the tools of the course, and `checks.here()` also starts a server and a worker.
# The server is Valkey, which speaks the protocol of Redis. Your app finds its address in the environment variable `REDIS_URL`.
# If there is no such server for your system, the cell says so, and what you can start instead.
# If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
# close it and start it with `./course lab`. After a restart of the kernel, run this cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## Jobs and replies
#
# - A **list** in Redis has a name. Programs add values to it and take them off, each from its own process.
# - `RPUSH jobs a1b2c3` adds the value `a1b2c3` to the end of the list `jobs`. It takes hardly any time.
# - `BLPOP reply:a1b2c3 30` takes the first value off the list `reply:a1b2c3`. If the list is empty, it waits
#   until a client adds something, for at most 30 seconds. The B stands for *blocking*: it blocks the connection.
# - The **worker** takes a job from `jobs`, works on it, and adds a number to the list `reply:` followed by the job's name.
#
# So an app submits its job with `RPUSH` and waits for the reply with `BLPOP`.
# In Python both are methods of a redis-py client. `blpop` returns two things: the name of the list, and the value.

# %% [markdown]
# ## 1. A job for the worker
#
# `POST /jobs/{token}` adds the token to the list `jobs` and waits for the reply on the list `reply:{token}`.
# The token is a word that identifies the job. The response looks like this, with a number that only the worker knows:
#
# `{"job": "a1b2c3", "result": 271828}`
#
# **The rule:** every request submits its own job exactly once and waits for its own reply, even if another request has the same token at the same moment.
# Don't give up early: the worker may take several seconds.
# **The goal:** while one request waits for the worker, the app serves all others.
#
# Keep `socket_timeout=60` in every client that you create. Without it, a redis-py client gives up after five seconds without data,
# whatever timeout you pass to `blpop`.
#
# <details><summary>Hint 1: a question</summary>
#
# Two lines talk to the server. Which of them takes long, and on which thread?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways. One replaces the client: redis-py contains a second one with the same methods, and all of them have to be awaited, the fast ones too.
# The other way keeps the client and changes the thread on which it waits.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# If you replace the client: change the import, keep the URL and the timeout, and create it once per app. Then check that every command is awaited, even one
# whose result you don't use. If you forget the `await` on the first command, the worker never sees the job.
# If you keep the client, removing one keyword is enough.
#
# </details>
#
# **What this check does not look for:** a command that blocks the loop only for a moment, as `rpush` does while the server is healthy,
# and a reply that's held back for much longer than a few seconds.
#
# This is the timeline to aim for. Compare the event loop lane, not the bars: their length depends on the check.

# %%
exercise.target("job")

# %% [markdown]
# This is the file to fix:

# %% app="job"
# %%app job.py

# %% answers="job"
"""Correct responses: every job comes back with the number that the worker put on its list."""
await exercise.answers("job")

# %% [markdown]
# The next check is a **rendezvous**: the worker holds every reply until all requests of the race have submitted their jobs.
# If the jobs meet there, they were certainly in progress at the same time; if they don't, the check says what kept them apart.
#
# So the seconds in this timeline are those of the check, not of Redis, and a queue doesn't have to look like a staircase.
# Look at the event loop lane, and read the message below the picture.

# %% concurrency="job"
"""Concurrency: all jobs are with the worker at one moment, and the loop stays free."""
await exercise.race("job")
### BEGIN HIDDEN TESTS
await exercise.concurrency("job")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A quote, and one connection for all
#
# `GET /quotes/{token}` uses the same worker in the same way: the token goes onto the list `jobs`, and the price comes
# back on the list `reply:{token}`. The response is
#
# `{"item": "a1b2c3", "price": 314159}`
#
# A colleague has already replaced the client with the one from `redis.asyncio`. Both calls are awaited, and the loop is free.
# And yet the requests queue.
#
# Two lines of the file need an explanation:
#
# - A **connection pool** keeps connections open and lends them. This one is a *blocking* pool: while all its connections are in use,
#   a request waits for one, for up to `timeout` seconds.
# - `async with client.client() as connection` borrows one connection for everything in the block.
#
# **The rule:** every request submits its own job exactly once and waits for its own reply. No request may be rejected.
# **The goal:** ten requests that arrive together wait concurrently.
#
# <details><summary>Hint 1: a question</summary>
#
# While one request waits in `blpop`, what can its connection be used for? How many requests can wait at the same time, then?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Most commands borrow a connection for a millisecond, so a few connections serve many requests. `BLPOP` keeps its connection
# for as long as it waits, so the pool needs a connection for each request that may be waiting at the same time.
# Servers accept many: 10,000 unless they're configured otherwise.
#
# What happens to the next request is your choice, and the rule above makes it for you: a plain pool raises an error, a blocking pool doesn't.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# One way changes a single number. Another leaves the pool alone and uses no command that waits: `LPOP` returns immediately, with `None` if the list is empty,
# and between two attempts the *request* waits, in a way that holds neither a connection nor the thread.
#
# </details>
#
# **What this check does not look for:** a reply that's held back for much longer than a few seconds. It may also send fewer requests at once than the ten of the goal.
#
# This is the timeline to aim for. Compare the event loop lane, not the bars: their length depends on the check.

# %%
exercise.target("quote")

# %% [markdown]
# This is the file to fix:

# %% app="quote"
# %%app quote.py

# %% answers="quote"
"""Correct responses: every item comes with the price that the worker put on its list."""
await exercise.answers("quote")

# %% concurrency="quote"
"""Concurrency: all jobs are with the worker at one moment, and the loop stays free."""
await exercise.race("quote")
### BEGIN HIDDEN TESTS
await exercise.concurrency("quote")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A parcel
#
# `POST /parcels/{token}` has a parcel weighed. The token goes onto the list `jobs`, the weight comes back on the list `reply:{token}`, and the response is
#
# `{"parcel": "a1b2c3", "grams": 271828}`
#
# The shop also wants to know how many parcels were submitted and how many have been weighed, and `GET /numbers` shows both. A colleague feared that two requests
# could change a number at the same moment, so one of the changes would be lost. The last fix protects them: the numbers are right, every command is awaited,
# and the client may open a hundred connections, which is redis-py's default. It was merged, and since then the shop takes in one parcel at a time.
#
# **The rule:** every request submits its own job exactly once and waits for its own reply, even if another request has the same token at the same moment.
# `/numbers` goes on counting the parcels that were submitted, and those that have been weighed.
# **The goal:** requests that arrive together wait concurrently.
#
# <details><summary>Hint 1: a question</summary>
#
# Send ten requests together, and look at `/numbers` a few times meanwhile. How far apart can its two numbers be? How far apart should they be?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Read the file in the order in which a single request runs it, from the first line of the dependency to the last, and mark where the request waits for the worker.
# (Part of a dependency runs before the endpoint, and part of it after.) Then ask what the request holds at that mark.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# On an event loop, another request can only run where this one awaits. Is there such a place between reading a number and writing it back? Lesson 04 has a case where there is one,
# and a case where there isn't. Protect what needs it, for as long as it needs it, and no longer. If you move to threads, the answer is different.
#
# </details>
#
# **What this check does not look for:** whether `/numbers` is there and right, a short command that blocks the loop, a limit that's wide enough for the four requests of the check,
# and a reply that's held back for much longer than a few seconds.
#
# This is the timeline to aim for. Compare the event loop lane, not the bars: their length depends on the check.

# %%
exercise.target("parcel")

# %% [markdown]
# This is the file to fix:

# %% app="parcel"
# %%app parcel.py

# %% answers="parcel"
"""Correct responses: every parcel comes with the weight that the worker put on its list."""
await exercise.answers("parcel")

# %% concurrency="parcel"
"""Concurrency: all jobs are with the worker at one moment, and the loop stays free."""
await exercise.race("parcel")
### BEGIN HIDDEN TESTS
await exercise.concurrency("parcel")
### END HIDDEN TESTS

# %% [markdown]
# ## Take it home
#
# There are now three files next to this notebook: `job.py`, `quote.py` and `parcel.py`. They need nothing from this course
# but an address in `REDIS_URL`, and a worker that empties the list `jobs`.
# Compare them with your own code: which commands wait, how many connections do they occupy, what happens to the request that finds none,
# and what does a request hold while it waits?
#
# ## The whole verdict
#
# The checks above don't see everything that is graded. The next cell judges your files as they were last saved,
# hidden tests included, and prints how many points they get. It may take a minute, and it isn't graded itself.
#
# In a terminal, in the course's folder, `./course grade notebooks/04_redis/exercise_04_redis.ipynb`
# prints the same for the notebook as you last saved it.

# %%
await exercise.verdict()
