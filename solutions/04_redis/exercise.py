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
# A shop does not do its heavy work itself. It puts a job on a list in Redis, and a worker somewhere else takes it from there.
# Then the shop waits for the reply. Two endpoints wait in a way that makes others wait. Repair them, one after the other.
# This takes about 20 minutes. You need lesson 04, *Redis*.
#
# Each endpoint has a cell that begins with `%%app`. That cell is the whole file. Change what you like in it,
# but keep the paths and the answers as they are. Run the cell again after each change: this saves and serves the file.
# Leave the first line, `%%app ...`, as it is: without it nothing is saved. Line numbers in messages count it as line 1.
#
# Each endpoint is worth three points:
#
# | points | for |
# |---|---|
# | 1 | **right answers**: what is answered, and that it comes from the worker |
# | 2 | **concurrency**: jobs are under way side by side, and the loop stays free for others |
#
# Two check cells follow each app. The first looks at the answers, one request at a time.
# The second sends a few requests together and draws the picture.
#
# The checks try once. The hidden tests try several times, with other numbers.
#
# A check that does not pass yet says *Not yet*, and why. The notebook is all right then: mend the file and run the check again.
#
# The next cell brings in the tools of the course. `checks.here()` also starts a server and a worker.
# The server is Valkey, which speaks the language of Redis. Your app finds its address in the environment variable `REDIS_URL`.
# If there is no such server for your system, the cell says so, and tells you what you can start instead.
# If the cell says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.
# After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## Four words of Redis
#
# - A **list** in Redis has a name. Programs put words on it and take them off, each from its own process.
# - `RPUSH jobs a1b2c3` puts the word `a1b2c3` at the end of the list `jobs`. This takes hardly any time.
# - `BLPOP reply:a1b2c3 30` takes the first word off the list `reply:a1b2c3`. If the list is empty, it waits
#   until somebody puts something there, for at most 30 seconds. The B stands for *blocking*: it blocks the connection.
# - The **worker** takes a job from `jobs`, works on it, and puts a number on the list `reply:` with the job's name behind it.
#
# So an app hands over its job with `RPUSH`, and waits for the reply with `BLPOP`.
# In Python both are methods of a client from `redis-py`. `blpop` returns two things: the name of the list, and the word.

# %% [markdown]
# ## 1. A job for the worker
#
# `POST /jobs/{token}` puts the token on the list `jobs`, and waits for the reply on the list `reply:{token}`.
# The token is a word that names the job. The answer looks like this, with a number that nobody but the worker knows:
#
# `{"job": "a1b2c3", "result": 271828}`
#
# **The rule:** every request puts its own job, once, and waits for its own reply.
# Do not give up early: the worker may take some seconds. Meanwhile everybody else must be served.
#
# Keep `socket_timeout=60` in any client that you make. Without it a client of redis-py loses patience
# after five silent seconds, whatever you allow `blpop`.
#
# <details><summary>Hint 1: a question</summary>
#
# Two lines speak to the server. Which of them takes long, and on whose thread?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# There are two ways. One changes the client: `redis-py` has a second one, in `redis.asyncio`,
# with the same methods. All of them must be awaited, the quick ones too.
# The other way keeps the client and changes the thread on which it waits.
#
# You may have read about a package called `aioredis`. It has no life of its own any more: it lives on as `redis.asyncio` inside `redis-py`.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# @asynccontextmanager
# async def lifespan(app):
#     async with Redis.from_url(..., socket_timeout=60) as client:     # which Redis?
#         app.state.client = client
#         yield
#
# app = FastAPI(...)         # it must be told about the lifespan
#
# async def job(token: str, request: Request):
#     client = ...
#     ... client.rpush(...)              # what is missing in front of this call,
#     _, reply = ... client.blpop(...)   # and of this one?
#     return ...                         # unchanged
# ```
#
# </details>
#
# This is the picture to aim for. Compare the lane of the loop, not the bars: their length is up to the check.

# %%
exercise.target("job")

# %% [markdown]
# This is the file to repair:

# %% app="job"
# %%app job.py

# %% answers="job"
"""Right answers: every job comes back with the number that the worker put on its list."""
await exercise.answers("job")

# %% [markdown]
# The next check is a **rendezvous**: the worker holds every reply back until all requests of the race have put their jobs.
# If the jobs meet there, they were certainly under way side by side; if they do not, the check says what kept them apart.
#
# So the seconds in this picture are those of the check, not of Redis, and a queue need not look like a staircase.
# Look at the lane of the loop, and read the words under the picture.

# %% concurrency="job"
"""Side by side: all jobs are with the worker at one moment, and the loop stays free."""
await exercise.race("job")
### BEGIN HIDDEN TESTS
await exercise.concurrency("job")
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A quote, and one connection for all
#
# `GET /quotes/{token}` asks the same worker in the same way: the token goes on the list `jobs`, the price comes
# on the list `reply:{token}`. The answer is
#
# `{"item": "a1b2c3", "price": 314159}`
#
# Somebody has been here before you. The client is the one from `redis.asyncio`, both calls are awaited, and the loop is free.
# And yet the guests stand in a queue.
#
# Two lines of the file need explaining:
#
# - A **pool** keeps connections open and lends them. This one is a *blocking* pool: while all its connections are lent,
#   whoever wants one waits, up to `timeout` seconds.
# - `async with client.client() as connection` borrows one connection, for everything that is done in the block.
#
# **The rule:** as before, every request puts its own job, once, and waits for its own reply.
# Guests who come together must wait side by side, and none of them may be turned away.
#
# <details><summary>Hint 1: a question</summary>
#
# While one request waits in `blpop`, what can its connection be used for? How many guests can wait at a time, then?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Elsewhere a connection is lent for a millisecond, and a few are enough for many guests. `BLPOP` keeps its connection
# for as long as it waits. So the pool needs a connection for each guest who may be waiting at the same time: the check sends four,
# a real shop has more.
# Servers allow many: 10,000 unless they are told otherwise.
#
# What happens when all connections are lent is your choice: a `BlockingConnectionPool` lets its guests wait. The pool that a client
# makes by itself has 100 connections, and guest number 101 gets an error.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# pool = BlockingConnectionPool.from_url(
#     os.environ["REDIS_URL"], max_connections=..., timeout=60, socket_timeout=60
# )
# ```
#
# There is another way, which leaves the pool as it is: do not let a connection wait at all.
# `LPOP` returns at once, with `None` if the list is empty. Between two looks the request can sleep,
# with a sleep that is awaited.
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
"""Right answers: every item comes with the price that the worker put on its list."""
await exercise.answers("quote")

# %% concurrency="quote"
"""Side by side: all questions are with the worker at one moment, and the loop stays free."""
await exercise.race("quote")
### BEGIN HIDDEN TESTS
await exercise.concurrency("quote")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Beside this notebook there are now two files: `job.py` and `quote.py`. They need nothing from this course
# but an address in `REDIS_URL`, and a worker that empties the list `jobs`.
# Put them beside your own code and compare: which commands wait, how many connections do they hold meanwhile,
# and what happens to the guest for whom there is none?
#
# ## The whole verdict
#
# The checks above do not see everything that is graded. The next cell judges your files as they were saved last,
# hidden tests included, and says how many points they get. It may take a minute. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/04_redis/exercise_04_redis.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
