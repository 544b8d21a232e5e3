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
# > **It happened.** A research group's backend stopped for 30 seconds whenever it had more than 50 concurrent connections; then a few requests failed, and everything was back to normal. The report blames the thread pool and the synchronous
# > database sessions. After the group changed every endpoint and every dependency from `async def` to `def`, 500 concurrent requests no longer stopped the backend. ([dats#217](https://github.com/uhh-lt/dats/issues/217))
#
# **About 20 minutes**, plus 15 for the sections marked "Deeper". You need lesson 01, *Sleeping*, and lesson 07, *Threads*: what blocks an event loop, and that a `def` endpoint runs in a pool of threads.
#
# You'll see
#
# - the same wait in `async def` and in `def`, blocking and awaited, all measured;
# - where the `async` keyword decides on which thread a function runs, and where it doesn't;
# - what happens when more than 40 slow `def` requests come: which requests wait with them, and which don't;
# - the same decision for dependencies, and a table to decide by;
# - *deeper:* a health probe that tells the truth, the other pool, threads that compute, a session pool that is smaller than the thread pool, and async code called from `def`.
#
# Every endpoint begins with this decision. It's one keyword, and most people choose what they chose last time.
#
# The next cell loads the tools of the course. If it fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## Three endpoints, one wait
#
# Each of these endpoints waits equally long. `time.sleep` stands for every blocking call: a driver, an HTTP request, a file. `asyncio.sleep` stands for every call that can be awaited.

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

# %% [markdown]
# There is the staircase: `async def` promises that the function awaits whatever takes time, and this one breaks the promise. The other two:

# %%
plain = await lab.race("/def_blocking?wait=0.2", n=10, show=False)
awaited = await lab.race("/async_awaiting?wait=0.2", n=10, show=False)
lab.side_by_side(plain, awaited, titles=("def", "async def, awaited"))
lab.diagrams.pools(in_tokens=10, note="Ten def requests hold ten of the forty tokens; the awaited ones hold none.").show()

# %% [markdown]
# ## Which request waits for which
#
# FastAPI inspects a function once, when you register it.
#
# 1. It calls an `async def` function on the event loop. What happens inside is up to the function.
# 2. It runs a `def` function in a thread, and awaits the thread.
# 3. So in the first race, ten sleeps ran one after the other on the loop. In the second, ten threads slept concurrently. In the third there was one thread, and it never slept in an endpoint: the loop set ten timers.
#
# (A short hatched stretch at the beginning of the second race is the start of ten threads, as in lesson 07.)
#
# There are three ways to choose wrongly:
#
# - **`async def` around a blocking call** stops every request, from the first call on.
# - **`def` for something that could be awaited** costs a thread for as long as the request waits. That harms no other request while there are threads. When there are none left, it stops everything that needs one; you'll measure that below.
# - **`def` for code that isn't thread-safe** (a shared counter, one psycopg2 connection, one SQLAlchemy session for all requests) gives wrong results.
#
# ## Where the keyword means nothing
#
# FastAPI chooses a thread for functions that *it* calls: endpoints and dependencies. It doesn't see what *you* call.

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


@app.get("/offloaded")
async def offloaded(wait: float):
    await run_in_threadpool(fetch, wait)


# %% [markdown]
# ### Your turn
#
# `fetch` is a plain `def`. For each of the two endpoints, does it block the loop? Replace each `None` with `True` or `False`, and run the cell.

# %%
blocks = {"/called": None, "/offloaded": None}

called = await lab.race("/called?wait=0.2", n=5, show=False)
offloaded = await lab.race("/offloaded?wait=0.2", n=5, show=False)
lab.side_by_side(called, offloaded, titles=("called", "offloaded"))
measured = {"/called": called.blocked_seconds > 0.5, "/offloaded": offloaded.blocked_seconds > 0.5}
for path, guess in blocks.items():
    right = "no guess" if guess is None else "right" if guess == measured[path] else "not so"
    print(f"{path:10} {'blocks the loop' if measured[path] else 'leaves the loop free'} ({right})")

# %% [markdown]
# An ordinary call runs where its caller runs. So in an `async def`, you have to offload a helper yourself.
#
# ## The pool of 40 threads
#
# FastAPI's thread pool has 40 places, called **tokens**. A call needs a token to run in a thread, and returns it at the end. The counting is done by **AnyIO**, a library that Starlette uses (Starlette is the framework underneath FastAPI). Its *limiter* accepts another number. The next cell saves a lifespan that does so, in a file of its own because two apps need it.

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
# The app has a slow `def` endpoint and five *pings*, endpoints that take no time. One ping is `async def` and one is `def`. Three more are `async def` too: one depends on a `def` function, one returns a small file, and one streams from an ordinary generator.

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
# A picture with more than forty rows would be too tall, so the first race has only 4 tokens. It sends six slow requests and the five pings, all at the same moment.

# %%
import os

pings = ["/async_ping", "/def_ping", "/dependent_ping", "/file_ping", "/stream_ping"]

async def race_pings(tokens, slow, title=None, show=False):
    """Race this many slow requests and then the pings, with this many tokens."""
    os.environ["TOKENS"] = str(tokens)
    lab.serve("pings.py")
    return await lab.race(slow * ["/slow?wait=1.5"] + pings, title=title, show=show)

four = await race_pings(4, slow=6, title="six slow, four tokens", show=True)

# %% [markdown]
# The loop is free and the canary is on time. So is the `async def` ping. The four others wait for a token, behind slow requests that they have nothing to do with.
#
# ## A prediction
#
# Now with 40 tokens, as in FastAPI itself, and sixty slow requests of 1.5 seconds each. How long does the `def` ping wait?

# %%
guess = lab.predict("the def ping behind sixty slow requests", None, "s")

# %%
forty = await race_pings(40, slow=60)
waits = {request.path: request.seconds for request in forty.requests if request.path in pings}
for path, seconds in waits.items():
    print(f"{path:16} {seconds:.2f} s")
guess.compare(waits["/def_ping"])

# %% [markdown]
# - `async_ping` needs no token. It only waits while the threads are started.
# - `def_ping` waits until the first forty requests are done, although it takes no time itself.
# - `dependent_ping` is `async def`, but its dependency is `def`, and that needs a token.
# - `file_ping` is `async def` as well. To open and read the file, Starlette uses a thread, and needs a token.
# - `stream_ping` too: Starlette fetches each part of an ordinary generator in a thread, and needs a token for each of them.
#
# *Large* uploads wait in the same queue, once they have moved from memory to disk. So a single slow service, called from `def` endpoints, takes down the whole app except for the endpoints that never need a thread. Nothing computes, the loop is free, and no tool that watches the loop notices.
#
# You can see it from inside: `current_default_thread_limiter().statistics()` says how many tokens are borrowed, and how many calls wait for one. Put both into your metrics.
#
# ### Your turn
#
# Raise the limit. Predict the same five waits with 100 tokens. Then try numbers on either side of sixty.

# %%
more_tokens = 100  # try 59, 60, 61
more = await race_pings(more_tokens, slow=60)
more_waits = {request.path: request.seconds for request in more.requests if request.path in pings}
for path, seconds in more_waits.items():
    print(f"{path:16} {waits[path]:.2f} s with 40 tokens, {seconds:.2f} s with {more_tokens}")

# %% [markdown]
# <details><summary>What it shows, and what it costs</summary>
#
# With more tokens than slow requests, no ping waits for a slow one: a single free token is enough for all of them, since they need it only for a moment. With fewer, they wait for the first slow request to end.
#
# That works for threads that *wait*. The price: each thread costs memory and is started in the middle of a burst, and what the threads wait for has limits of its own. A database with a hundred connections is used up by one such app. For threads that *compute*, fewer are better; see *Deeper: threads that compute*.
#
# </details>
#
# ## Dependencies
#
# Each dependency needs the same decision. Most are tiny: they read a header or build an object. As `def`, each of them costs a token and a thread hop. How much is the hop?

# %%
import time

from fastapi.concurrency import run_in_threadpool

def tiny():
    return "a value from a header"

async def tiny_async():
    return "a value from a header"

began = time.perf_counter()
for _ in range(500):
    await tiny_async()
awaited_each = (time.perf_counter() - began) / 500

began = time.perf_counter()
for _ in range(500):
    await run_in_threadpool(tiny)
pooled_each = (time.perf_counter() - began) / 500
print(f"async def {1e6 * awaited_each:.1f} µs, def {1e6 * pooled_each:.0f} µs: {pooled_each / awaited_each:.0f} times as long.")

# %% [markdown]
# One hop doesn't matter; ten per request begin to. The token matters more: a tiny `def` dependency puts your `async def` endpoint into the queue for the 40 tokens. So declare a dependency as `async def` if it's tiny and doesn't block, even if it contains no `await`. Declare it as `def` if it blocks: a check that queries a database through a blocking driver, for
# instance. (A `def` dependency with `yield` makes two hops, one for each half.)
#
# ## The decision
#
# | what the function does | write | why |
# |---|---|---|
# | awaits everything that takes time | `async def` | one thread is enough for thousands of requests |
# | calls something that blocks, nothing to await | `def` | a thread may block; mind the 40 |
# | both | `async def`, and `to_thread` or `run_in_threadpool` around what blocks | the whole job in one hop |
# | uses a synchronous ORM session, or `sqlite3` | `def`, with the session opened inside it | the connection returns to its pool as soon as the query is done; that pool is a second limit, next to the 40 |
# | is CPU-bound and releases the GIL (pictures, passwords) | `def` or `to_thread`, few at a time | lesson 07 |
# | is CPU-bound in Python, or holds the GIL | `async def` and a process pool | lesson 08 |
# | is tiny and doesn't block | `async def` | no hop, no token |
# | you don't know | `def`, if its code is thread-safe | it blocks no loop; count how many may wait at the same time |
#
# If many slow requests may arrive together, ask: how many places does the pool have, and what else needs one?
#
# ## When not to bother
#
# - **An app with few users.** Forty slow requests at the same time are a lot. [Netflix's Dispatch](https://github.com/Netflix/dispatch) uses `def` nearly everywhere, on purpose (287 routes against 4, when we counted). That way the whole team follows one rule, and can use any library that may run in threads.
# - **A thread hop** in an endpoint that takes 50 milliseconds anyway.
# - **An `async def` that computes for a few microseconds.** Lesson 07 has shown that the hop costs more.
#
# Two things are always worth fixing: a blocking call in `async def`, and a `def` endpoint that may wait for something slow forty times at once. Each of them can stop the whole app.
#
# The core of the lesson ends here; the sections marked *Deeper* are optional.
#
# ## Deeper: a health probe that tells the truth
#
# You've just measured how health probes mislead. An `async def` probe, like `async_ping`, reports success while no `def` request is served. A `def` probe waits behind the slow requests, and a platform that restarts the app for it cuts off all forty. So use two: a liveness probe that only shows that the loop runs, and a readiness probe that reports whether calls wait for a token.

# %%
# %%app probes.py
import time

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, HTTPException
from limit import lifespan

app = FastAPI(lifespan=lifespan)

@app.get("/slow")
def slow(wait: float):
    time.sleep(wait)

@app.get("/live")
async def live():
    return "the loop runs"

@app.get("/ready")
async def ready():
    waiting = current_default_thread_limiter().statistics().tasks_waiting
    if waiting:
        raise HTTPException(503, f"{waiting} calls wait for a thread")
    return "threads are free"


# %%
import asyncio

import httpx

os.environ["TOKENS"] = "4"
server = lab.serve("probes.py")
rush = asyncio.create_task(lab.race("/slow?wait=0.7", n=10, show=False))
seen = {"/live": set(), "/ready": set()}
async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
    while not rush.done():
        for path in seen:
            seen[path].add((await client.get(path)).status_code)
        await asyncio.sleep(0.05)
    afterwards = (await client.get("/ready")).status_code
print(f"During the race: /live responded {seen['/live']}, /ready {seen['/ready']}. Afterwards: /ready {afterwards}.")

# %% [markdown]
# A load balancer stops sending requests to a server that isn't ready, and lets it finish those in progress.
#
# ## Deeper: the other pool
#
# `asyncio.to_thread` doesn't use these tokens. It has a pool of its own, asyncio's **default executor**, with a few threads more than there are cores, and at most 32. The next race sends twice as many slow requests as it has threads, half a second each, and then three pings. Two of the pings need that executor. For `/name_ping` you can't see that in the code: looking up the address of a host name is a blocking
# call of the operating system, so asyncio runs it in the default executor, for every library that opens a connection. (uvloop has threads of its own for it.)

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

places = ThreadPoolExecutor()._max_workers  # asyncio's executor has the same default
others = ["/def_ping", "/thread_ping", "/name_ping"]
second = await lab.race(2 * places * ["/slow"] + others, show=False)
other_waits = {request.path: request.seconds for request in second.requests if request.path in others}
print(f"{places} threads in the default executor, {2 * places} slow requests.")
for path, seconds in other_waits.items():
    print(f"{path:13} {seconds:.2f} s")

# %% [markdown]
# Now the `def` ping is fast, and whatever shares the default executor waits, aiofiles included, as lesson 05 has shown. A second pool is also a tool: put slow work of one kind into a pool of its own, and it can't starve the rest. Use `loop.run_in_executor(my_pool, function)`, or `anyio.to_thread.run_sync(function, limiter=my_limiter)`.
#
# ## Deeper: threads that compute
#
# The next app computes in a `def` endpoint. More tokens were better for threads that wait. What about these?

# %%
# %%app computing.py
from fastapi import FastAPI
from limit import lifespan

app = FastAPI(lifespan=lifespan)


@app.get("/count")
def count():
    return sum(n * n for n in range(500_000))


# %% [markdown]
# ### Your turn
#
# Twenty requests, with 100 tokens and with only a few. Predict in which race the slowest canary waits longer; then try 1 and 20.

# %%
few_tokens = 4  # try 1, 20

async def computing(tokens):
    os.environ["TOKENS"] = str(tokens)
    lab.serve("computing.py")
    return await lab.race("/count", n=20, title="twenty counts", show=False)

few, many = await computing(few_tokens), await computing(100)
lab.side_by_side(few, many, titles=(f"{few_tokens} tokens", "100 tokens"))

# %% [markdown]
# <details><summary>What to compare</summary>
#
# The work is the same, so the totals say little; sometimes one is ahead, sometimes the other. The canary shows the difference: with 4 tokens the loop competes for the GIL with four threads, and with 100 it competes with twenty. So for threads that wait, raise the limit, if the service that they wait for can handle it. For threads that compute, lower it. If you have both, give them separate pools.
#
# </details>
#
# ## Deeper: a session pool smaller than the thread pool
#
# The incident at the top of this lesson has a second pool in it, that of the database connections. Here SQLAlchemy has five connections to SQLite, and a session that gets none gives up after four seconds. One endpoint gets its session from a dependency, as in many tutorials; the other opens it inside. Both return a **response model**, which FastAPI validates. (A report with the same outcome: [fastapi#3205](https://github.com/fastapi/fastapi/issues/3205).)

# %%
# %%app sessions.py
import time
from typing import Annotated
from fastapi import Depends, FastAPI
from sqlalchemy import QueuePool, create_engine, text
from sqlalchemy.orm import Session

engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=5, max_overflow=0, pool_timeout=4,
                       connect_args={"check_same_thread": False})
app = FastAPI()

def session():
    with Session(engine) as session:
        yield session

def count_stock(db):
    time.sleep(0.2 * db.scalar(text("select 1")))
    return 1

@app.get("/dependency")
def dependency(db: Annotated[Session, Depends(session)]) -> int:
    return count_stock(db)
@app.get("/inside")
def inside() -> int:
    with Session(engine) as db:
        return count_stock(db)


# %%
import collections

outcomes = {}
for path in ("/dependency", "/inside"):
    race = await lab.race(path, n=60, show=False)
    outcomes[path] = collections.Counter(request.status for request in race.requests)
    print(f"{path:12} status and how often: {dict(outcomes[path])}, in {race.seconds:.1f} s")

# %% [markdown]
# What happened to the first endpoint:
#
# 1. Forty requests got a token each. Five of them got a connection; 35 waited for one, each in its thread, with its token.
# 2. The five finished their query and returned their tokens, but not their connections: a dependency with `yield` is closed only after the response is ready.
# 3. To make the response ready, FastAPI validates the return value of a `def` endpoint in a thread. For that the five needed a token again, and waited in the queue.
# 4. So the five waited for tokens, and the 35 waited for connections: a **deadlock**, until the pool gave up and the requests got status 500.
#
# Open the session inside the endpoint, so that the connection is returned as soon as the query is done. Or make the connection pool as large as the thread pool, or lower the number of tokens to the number of connections.
#
# ## Deeper: async code from a `def`
#
# You've chosen `def` for an endpoint, and now it must call something that exists only as `async def`. The endpoint runs in one of AnyIO's threads. From there, `anyio.from_thread.run` runs a coroutine function on the app's own loop and waits for its result. `asyncio.run` would create a new loop for each call.

# %%
# %%app from_def.py
import asyncio
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    app.state.loop = asyncio.get_running_loop()
    yield

app = FastAPI(lifespan=lifespan)

async def on_the_apps_loop():
    return asyncio.get_running_loop() is app.state.loop

@app.get("/from_thread")
def from_thread():
    return anyio.from_thread.run(on_the_apps_loop)

@app.get("/asyncio_run")
def asyncio_run():
    return asyncio.run(on_the_apps_loop())


# %%
on_loop = {}
for path in ("/from_thread", "/asyncio_run"):
    race = await lab.race(path, n=1, show=False)
    on_loop[path] = race.requests[0].body
    print(f"{path:13} on the app's own loop: {on_loop[path]}")

# %% [markdown]
# It matters because clients, connection pools and locks of asyncio belong to the loop on which they were first used. With another loop they fail, or wait forever.
#
# ## What you have seen
#
# - `async def` around a blocking call is a staircase. `def` around it, or an awaited call, is not.
# - FastAPI respects the keyword only in functions that it calls itself. A helper runs where its caller runs.
# - There are 40 tokens, shared by everything that needs a thread: `def` endpoints, `def` dependencies, files, ordinary generators. If slow requests hold them all, the app is down with a free loop, and only `async def` endpoints that need no thread still respond.
# - A tiny dependency as `def` costs a hop and a token.
# - If you don't know whether the code blocks, use `def` (if the code is thread-safe), and count how many requests may wait at the same time.
# - *Deeper:* `asyncio.to_thread` has another, smaller pool, which looks up host names as well. More tokens help threads that wait, and fewer help threads that compute. A session pool that is smaller than the pool of 40 can deadlock with it. From a `def`, `anyio.from_thread.run` reaches the app's loop.
#
# ## Check yourself
#
# **1.** All endpoints of an app are `async def` and await everything. The login check is a `def` dependency of every endpoint and takes no time. Another team adds a `def` endpoint that waits 30 seconds for a report. What can happen on a day with many reports?
#
# <details><summary>Answer</summary>
#
# Forty reports hold forty tokens for 30 seconds. Then every endpoint waits for a token for its login check, and the whole app stands still with a free loop. The check should be `async def`, or the reports should have a pool of their own.
#
# </details>
#
# **2.** An `async def` endpoint calls a `def` function, which calls `requests.get`. FastAPI runs `def` functions in threads. So is the loop free?
#
# <details><summary>Answer</summary>
#
# No. FastAPI didn't call that function; the endpoint did, on the loop. It needs `run_in_threadpool`, or the endpoint must be `def` too.
#
# </details>
#
# ## Words of this lesson
#
# - **token**: one of the 40 places of AnyIO's limiter; a call needs one to run in a thread.
#   `def` endpoints, `def` dependencies and file responses all share them.
# - **default executor**: asyncio's own thread pool, used by `to_thread` and for looking up host names.
#   It's separate from the 40 tokens, and smaller.
# - **thread-safe**: correct when several threads use it at the same time.
#   Only thread-safe code may become `def`.
# - **dependency**: a function that FastAPI calls before the endpoint, for `Depends`.
#   The choice between `def` and `async def` is its own, whatever the endpoint is.
# - **pool exhaustion**: all places of a pool are taken, and the next request waits or fails.
#   The event loop may be free all the while.
# - **response model**: the declared type of an endpoint's return value; FastAPI validates and serialises by it.
#   For a `def` endpoint the validation needs a token.
# - **liveness and readiness probes**: "must this app be restarted?" and "may it get more requests?".
#   Neither can be replaced by the other.
#
# ## Further reading
#
# - The question that most people ask first, *one request will wait another request to complete*: https://github.com/fastapi/fastapi/issues/2484
# - Airflow, which changed its `async def` routes to `def`: https://github.com/apache/airflow/pull/43797
# - Open WebUI, whose larger limit did not reach `to_thread`: https://github.com/open-webui/open-webui/issues/28168
# - FastAPI, *Concurrency and async / await*: https://fastapi.tiangolo.com/async/
# - Starlette, *Thread Pool*: https://www.starlette.io/threadpool
# - AnyIO, *Adjusting the default maximum worker thread count*, and *Calling asynchronous code from a worker thread*: https://anyio.readthedocs.io/en/stable/threads.html
# - Python, `loop.set_default_executor`: https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.set_default_executor
#
# Next: the exercise of this lesson, in the notebook `exercise_09_def_or_async.ipynb` next to this one.
