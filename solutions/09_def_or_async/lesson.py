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
# # `def` or `async def`
#
# This lesson takes about 20 minutes. You need lesson 01, *Sleeping*, and lesson 07, *Threads*: you know what blocks a loop,
# and that a `def` endpoint runs in a pool of threads.
#
# You will see
#
# - the same wait behind `async def` and behind `def`, blocking and awaited, all measured;
# - where the word `async` matters, and where it means nothing;
# - what happens when more than 40 slow `def` requests come: who waits with them, and who does not;
# - that `asyncio.to_thread` has another, smaller pool, and who shares that one;
# - how to raise the limit, and what it costs;
# - the same decision for dependencies;
# - a table to decide by, and when not to bother.
#
# Each endpoint that you write begins with this decision. It is one word, and most people choose what they chose last time.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## What goes wrong
#
# Here are three endpoints, each with a wait of the same length. `time.sleep` stands for every call that blocks: a driver, a request, a file.
# `asyncio.sleep` stands for every call that can be awaited.

# %%
# %%app three.py
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/async_blocking")
async def async_blocking(wait: float):
    time.sleep(wait)


@app.get("/def_blocking")
def def_blocking(wait: float):
    time.sleep(wait)


@app.get("/async_awaiting")
async def async_awaiting(wait: float):
    await asyncio.sleep(wait)


# %%
bad = await lab.race("/async_blocking?wait=0.2", n=10)
print(f"All ten took {bad.ratio:.1f} times as long as the quickest.")

# %% [markdown]
# The promise of `async def` is broken, and there is the staircase. The other two:

# %%
plain = await lab.race("/def_blocking?wait=0.2", n=10, show=False)
awaited = await lab.race("/async_awaiting?wait=0.2", n=10, show=False)
lab.side_by_side(plain, awaited, titles=("def", "async def, awaited"))
three = {"async def, blocking": bad, "def, blocking": plain, "async def, awaited": awaited}
for name, race in three.items():
    waited = f"the slowest canary waited {1000 * race.worst_canary:4.0f} ms"
    print(f"{name:20} ten took {race.ratio:4.1f} times the quickest, {waited}")

# %% [markdown]
# ## Who waited for whom
#
# FastAPI looks at the function once, when it is registered.
#
# 1. It calls an `async def` function on the loop. What happens inside is the function's own affair.
# 2. It hands a `def` function to a thread, and awaits the thread.
# 3. So in the first race ten sleeps stood in a row on the loop. In the second, ten threads slept beside each other.
#    In the third there was one thread, and it never slept in an endpoint: the loop noted ten times to wake up at, and waited for all ten.
#
# If the second race has a short hatched stretch at its beginning, that is ten threads being started. You know it from lesson 07.
#
# The wrong choice has two forms. `async def` around a blocking call stops everybody. `def` around something that could be awaited
# stops nobody. It only takes a thread for nothing. So if you do not know: `def`.
#
# There is one condition. Only what may run in several threads at a time may become `def`: a shared counter, one psycopg2 connection
# or one SQLAlchemy session may not.
#
# ## Where the word means nothing
#
# FastAPI looks at functions that *it* calls: endpoints, dependencies. It does not see what *you* call.

# %%
# %%app helpers.py
import time

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

app = FastAPI()


def fetch(wait):
    time.sleep(wait)


@app.get("/called")
async def called(wait: float):
    fetch(wait)


@app.get("/handed_over")
async def handed_over(wait: float):
    await run_in_threadpool(fetch, wait)


# %%
called = await lab.race("/called?wait=0.2", n=5, show=False)
handed_over = await lab.race("/handed_over?wait=0.2", n=5, show=False)
lab.side_by_side(called, handed_over, titles=("called", "handed over"))

# %% [markdown]
# `fetch` is a plain `def`, and yet on the left it blocks: an ordinary call runs where the caller runs. Only FastAPI's own calls go to the pool.
# In an `async def` you must hand a helper over yourself.
#
# ## The forty
#
# The pool of FastAPI has 40 places. They are called **tokens**: whatever runs in a thread must hold one, and gives it back at the end.
# They are counted by **AnyIO**, the library that FastAPI is built on. Its *limiter* can be told how many there are.
# The next cell saves a lifespan that does so, in a file of its own, since we need it twice.

# %%
# %%writefile limit.py
import os
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter

@asynccontextmanager
async def lifespan(app):
    current_default_thread_limiter().total_tokens = int(os.environ.get("TOKENS", 40))
    yield


# %% [markdown]
# The app has a slow `def` endpoint, and five *pings*, endpoints that take no time. One is `async def`, one is `def`.
# Three more are `async def`, too. One depends on a `def` function, one returns a small file, and one streams from an ordinary (sync) generator.

# %%
# %%app pings.py
import time
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse, StreamingResponse
from limit import lifespan

app = FastAPI(lifespan=lifespan)
@app.get("/slow")
def slow(wait: float):
    time.sleep(wait)

@app.get("/def_ping")
def def_ping():
    return "pong"

@app.get("/async_ping")
@app.get("/dependent_ping", dependencies=[Depends(def_ping)])
async def async_ping():
    return "pong"

@app.get("/file_ping")
async def file_ping():
    return FileResponse(__file__)
@app.get("/stream_ping")
async def stream_ping():
    return StreamingResponse(part for part in ("po", "ng"))


# %% [markdown]
# Forty are too many for a picture. So first we say that there are 4, and serve the file again.
# Six slow requests come together with the five pings.

# %%
import os

pings = ["/async_ping", "/def_ping", "/dependent_ping", "/file_ping", "/stream_ping"]

async def crowd(tokens, slow, title=None, show=False):
    """Race so many slow requests and then the pings, with so many tokens."""
    os.environ["TOKENS"] = str(tokens)
    lab.serve("pings.py")
    return await lab.race(slow * ["/slow?wait=1.5"] + pings, title=title, show=show)

four = await crowd(4, slow=6, title="six slow, four tokens", show=True)

# %% [markdown]
# The loop is free and the canary is on time. So is the first ping. The four others stand in the queue for a token,
# behind slow requests that they have nothing to do with.
#
# ## A prediction
#
# Now there are 40 tokens, as in FastAPI itself. Sixty slow requests come, of 1.5 seconds each, and with them the same five pings.
# How long does the `def` ping wait?

# %%
guess = lab.predict("the def ping behind sixty slow requests", None, "s")

# %%
forty = await crowd(40, slow=60)
waits = {request.path: request.seconds for request in forty.requests if request.path in pings}
for path, seconds in waits.items():
    print(f"{path:16} {seconds:.2f} s")
guess.beside(waits["/def_ping"])

# %% [markdown]
# - `async_ping` needs no token. It is answered early: it has to wait only while the threads are started.
# - `def_ping` waits until the first forty are done, although it takes no time itself.
# - `dependent_ping` is `async def`. But its dependency is `def`, and that needs a token.
# - `file_ping` is `async def` as well. To open and read the file, FastAPI uses a thread, for good reasons, and needs a token.
# - `stream_ping` too: FastAPI asks an ordinary generator for its next part in a thread, and needs a token for each part.
#
# *Large* uploads stand in the same queue, once they have moved from memory to the disk. So one slow service, asked from `def` endpoints, takes
# the whole app down, except for the endpoints that never need a thread. Nothing computes, the loop is free, and no tool that watches the loop sees it.
#
# You can see it from inside: `current_default_thread_limiter().borrowed_tokens` says how many are taken. Put it into your metrics.
# But a thread that was given up has returned its token and works on, as lesson 07 showed. So count `threading.active_count()` too.
#
# ## Another pool
#
# `asyncio.to_thread` does not know of these tokens. It has a pool of its own, asyncio's, with a few threads more than there are cores, and at most 32.
# We send twice as many slow requests as it has threads, half a second each, and then three pings. Two of them use asyncio's pool,
# and one of them uses it without showing it: looking up the address of a name is a blocking call of the operating system.
# asyncio does it in that pool, for everybody who opens a connection. (uvloop has threads of its own for it.)

# %%
# %%app pools.py
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()

@app.get("/slow")
async def slow():
    await asyncio.to_thread(time.sleep, 0.5)

@app.get("/def_ping")
def def_ping():
    return "pong"

@app.get("/thread_ping")
async def thread_ping():
    return await asyncio.to_thread(def_ping)

@app.get("/name_ping")
async def name_ping():
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)


# %%
from concurrent.futures import ThreadPoolExecutor

places = ThreadPoolExecutor()._max_workers  # asyncio's pool has the same default
others = ["/def_ping", "/thread_ping", "/name_ping"]
second = await lab.race(2 * places * ["/slow"] + others, show=False)
other_waits = {request.path: request.seconds for request in second.requests if request.path in others}
print(f"{places} threads in asyncio's pool, {2 * places} slow requests.")
for path, seconds in other_waits.items():
    print(f"{path:13} {seconds:.2f} s")

# %% [markdown]
# Now the `def` ping is quick, and those who share asyncio's pool wait. aiofiles is among them: lesson 05 showed it.
#
# A second pool is also a tool. Put slow work of one kind into a pool of its own, and it cannot starve the rest:
# `loop.run_in_executor(my_pool, function)`, or `anyio.to_thread.run_sync(function, limiter=my_limiter)`.
#
# ## Raising the limit
#
# One line in the lifespan, and there are 100 tokens instead of 40. The same sixty and the same pings:

# %%
hundred = await crowd(100, slow=60)
more_waits = {request.path: request.seconds for request in hundred.requests if request.path in pings}
for path, seconds in more_waits.items():
    print(f"{path:16} {waits[path]:.2f} s with 40 tokens, {seconds:.2f} s with 100")

# %% [markdown]
# That works, for threads that sleep. What is the price?
#
# - Each thread costs memory, and each is started in the middle of a burst.
# - What the threads wait for has limits of its own: a database with a hundred connections is used up by one such app.
# - And if the threads compute, every one of them wants the GIL. You met this at the end of lesson 07.
#
# The next app computes in a `def` endpoint. Twenty requests, with 4 tokens and with 100:

# %%
# %%app computing.py
from fastapi import FastAPI
from limit import lifespan

app = FastAPI(lifespan=lifespan)


@app.get("/count")
def count():
    return sum(n * n for n in range(500_000))


# %%
async def computing(tokens):
    os.environ["TOKENS"] = str(tokens)
    lab.serve("computing.py")
    return await lab.race("/count", n=20, title="twenty counts", show=False)

few, many = await computing(4), await computing(100)
lab.side_by_side(few, many, titles=("4 tokens", "100 tokens"))
for tokens, race in ((4, few), (100, many)):
    waited = f"the slowest canary waited {race.worst_canary:.2f} s"
    print(f"{tokens:3} tokens: all twenty in {race.seconds:.2f} s, {waited}")

# %% [markdown]
# The work is the same, and so is the time for all of it, more or less: sometimes one is ahead, sometimes the other. Look at the
# canary. With 4 tokens the loop shares the GIL with four threads. With 100 it shares it with twenty.
#
# So it depends on the work whether the limit should go up or down. For threads that wait: up, if what they wait for can bear it. For threads that compute: down.
# If you have both, give them separate pools.
#
# ## Dependencies
#
# Each dependency needs the same decision. Very many are tiny: they read a header or build an object. As `def`, each of them costs a token and a trip to a thread.
# How much does the trip cost? We measure it here in the notebook:

# %%
import time

from fastapi.concurrency import run_in_threadpool

def tiny():
    return "a token from a header"

async def tiny_async():
    return "a token from a header"

began = time.perf_counter()
for _ in range(500):
    await tiny_async()
awaited_each = (time.perf_counter() - began) / 500

began = time.perf_counter()
for _ in range(500):
    await run_in_threadpool(tiny)
pooled_each = (time.perf_counter() - began) / 500
print(f"async def {1e6 * awaited_each:.1f} µs, def {1e6 * pooled_each:.0f} µs.")
print(f"That is {pooled_each / awaited_each:.0f} times as long.")

# %% [markdown]
# Some tenths of a millisecond do not matter. Ten times in a request, they begin to. The token matters more: a tiny `def` dependency puts your
# `async def` endpoint into the queue for the forty. So make tiny dependencies that do not block `async def`, even if there is no `await` in them.
# Make dependencies that block `def`: a check that asks a database through a blocking driver, for instance.
# A `def` dependency with `yield` makes two trips, one for each half.
#
# ## The decision
#
# | what the function does | write | why |
# |---|---|---|
# | awaits everything that takes time | `async def` | one thread is enough for thousands |
# | calls something that blocks, nothing to await | `def` | a thread may block; mind the 40 |
# | both | `async def`, and `to_thread` or `run_in_threadpool` around what blocks | the whole job in one trip |
# | computes, and lets go of the GIL (pictures, passwords) | `def` or `to_thread`, few at a time | lesson 07 |
# | computes in Python, or keeps the GIL | `async def` and a process pool | lesson 08 |
# | is tiny and does not block | `async def` | no trip, no token |
# | you do not know | `def` | it stops nobody, if its code may run in threads |
#
# And if many slow requests may come at once, ask: how many places does the pool have, and who else stands in that queue?
#
# ## When not to bother
#
# - **An app with few users.** Forty slow requests at the same time are a lot. There are apps with hundreds of endpoints that use `def` throughout,
#   on purpose, and do well: one rule for everybody, and any library that may be used in threads.
# - **A trip to a thread,** in an endpoint that takes 50 milliseconds anyway. Do not rewrite it for some tenths of a millisecond.
# - **An `async def` that computes for a few microseconds.** You saw in lesson 07 that the trip costs more.
#
# What you should always bother about is a blocking call in `async def`. It is the only one of the wrong choices that stops everybody.
# The further reading below begins with four real cases.
#
# ## What you have seen
#
# - `async def` around a blocking call is a staircase. `def` around it, or a call that is awaited, is not.
# - FastAPI looks at the word only in functions that it calls itself. A helper runs where its caller runs.
# - There are 40 tokens. Whatever needs a thread stands in the queue for them: `def` endpoints, `def` dependencies, files, ordinary generators. An `async def` ping does not.
# - `asyncio.to_thread` has another, smaller pool, which looks up names as well.
# - More tokens help threads that sleep. For threads that compute, fewer are better.
# - A tiny dependency as `def` costs a trip and a token.
# - If you do not know: `def`, if the code may run in several threads at a time.
#
# ## Check yourself
#
# **1.** All endpoints of an app are `async def` and await everything. The login check is a `def` dependency of every endpoint and takes no time. Another team adds
# a `def` endpoint that waits 30 seconds for a report. What can happen on a day with many reports?
#
# <details><summary>Answer</summary>
#
# Forty reports hold forty tokens for 30 seconds. Then every endpoint waits for a token for its login check, and the whole app stands still, with a free loop.
# The check should be `async def`, or the reports should have a pool of their own.
#
# </details>
#
# **2.** An `async def` endpoint calls a `def` function which calls `requests.get`. FastAPI runs `def` functions in threads. So is the loop free?
#
# <details><summary>Answer</summary>
#
# No. FastAPI did not call that function: the endpoint did, on the loop. It needs `run_in_threadpool`, or the endpoint must be `def`, too.
#
# </details>
#
# ## Further reading
#
# - A first question that very many ask, *one request will wait another request to complete*: https://github.com/fastapi/fastapi/issues/2484
# - A backend that stood still at 50 connections: https://github.com/uhh-lt/dats/issues/217
# - Airflow, which turned its `async def` routes into `def`: https://github.com/apache/airflow/pull/43797
# - Open WebUI, whose larger limit did not reach `to_thread`: https://github.com/open-webui/open-webui/issues/28168
# - FastAPI, *Concurrency and async / await*: https://fastapi.tiangolo.com/async/
# - Starlette, *Thread Pool*: https://www.starlette.io/threadpool
# - AnyIO, *Adjusting the default maximum worker thread count*: https://anyio.readthedocs.io/en/stable/threads.html
# - Python, `loop.set_default_executor`: https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.set_default_executor
#
# Next: the exercise of this lesson, in the notebook `exercise_09_def_or_async.ipynb` beside this one.
