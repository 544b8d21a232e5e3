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
# # Processes
#
# This lesson takes about 25 minutes. You need lesson 07, *Threads*: you know the GIL, the lock that a thread must hold to run Python code.
# From lesson 02 you should know the lifespan of an app.
#
# You will see
#
# - three kinds of work that stall the loop although a thread does them, and a fourth that does not stall it for long;
# - the repair: a pool of processes, opened in the lifespan;
# - what travels between two processes, what cannot, and what it costs;
# - a first trap: a pool that is started inside a request;
# - a second trap: `fork`, which copies a running app in the middle of something;
# - a third trap: a worker that dies, and takes the pool with it;
# - how large a pool should be, what comes with Python 3.14, and when not to bother.
#
# In lesson 07 a `sorted` in a thread stopped the whole app. It kept the GIL to its end. But a machine can run more than one Python,
# and each has a GIL of its own.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## Heavy work
#
# A statistics office has four heavy jobs. They are in a file of their own, `heavy.py`, which knows nothing of FastAPI. That will matter.
#
# - `rank` sorts many numbers and takes the one in the middle.
# - `dump` writes the numbers as JSON.
# - `match` runs a regular expression, one that tries very many ways before it gives up.
# - `count` adds squares, in plain Python.
#
# `%%writefile` saves a cell as a file, without serving it.

# %%
# %%writefile heavy.py
import json
import os
import random
import re

NUMBERS = [random.random() for _ in range(400_000)]

def rank():
    return sorted(NUMBERS)[len(NUMBERS) // 2]

def dump():
    return len(json.dumps(NUMBERS))

def match():
    return bool(re.match("(a+)+$", "a" * 22 + "b"))

def count():
    return sum(n * n for n in range(2_000_000))

def ready():
    return os.getpid()

JOBS = {"rank": rank, "dump": dump, "match": match, "count": count}


# %% [markdown]
# ## What goes wrong
#
# The office's app ranks in a thread, as its author once learned.

# %%
# %%app office.py
import asyncio

import heavy
from fastapi import FastAPI

app = FastAPI()


@app.get("/rank")
async def rank():
    return await asyncio.to_thread(heavy.rank)


@app.get("/hours")
async def hours():
    return {"open": "9 to 5"}


# %%
wishes = ["/rank", "/hours"] + 4 * ["/rank"]
bad = await lab.race(wishes, title="five rankings")
print(f"The hours took {bad.requests[1].seconds:.2f} s. A canary waited {bad.worst_canary:.2f} s.")

# %% [markdown]
# You know this from lesson 07. There is an `await`, and there is a thread. And the canary waits.
# The lane may say *something that left no trace*, or name a line with `await`. The lab's own watch is Python code, too: it cannot look while another
# thread keeps the GIL. If a line is named, it is only where the loop's thread was when the GIL was taken.
#
# ## Who waited for whom
#
# 1. The loop handed the first ranking to a thread, and then wanted to go on with the next request.
# 2. To go on, it needed the GIL, for it is Python code. The thread had it, and was inside `sorted`.
# 3. A thread is asked to hand the GIL on every 5 milliseconds. But only *between* two steps of Python code does it look whether it was asked.
#    `sorted` is one step, however long it takes.
# 4. So the loop waited until `sorted` was done. Then it got the GIL for a moment and took the next request, and the next thread took the GIL.
#
# ## A prediction
#
# The next app runs each of the four jobs in three ways: in line, on the loop; in a thread; and in another process.
# We look afterwards at how the third way works.
#
# We want to know the worst loop lag of each, as a visitor meets it: the longest wait of a canary.
# The cell that measures it takes about a minute.
#
# For how many of the four jobs does a thread help? Let us say that it helps if the lag is less than half of the lag in line.

# %%
guess = lab.predict("jobs that a thread takes off the loop, of four", None)

# %%
# %%app three_ways.py
import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

import heavy
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as app.state.pool:
        for first in [app.state.pool.submit(heavy.ready) for _ in range(2)]:
            first.result()
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/{way}/{job}")
async def work(way: str, job: str):
    if way == "inline":
        return heavy.JOBS[job]()
    if way == "thread":
        return await asyncio.to_thread(heavy.JOBS[job])
    return await asyncio.get_running_loop().run_in_executor(app.state.pool, heavy.JOBS[job])


# %%
jobs, ways = ("rank", "dump", "match", "count"), ("inline", "thread", "process")
lag = {}
for job in jobs:
    for way in ways:
        races = [await lab.race(f"/{way}/{job}", n=1, show=False) for _ in range(3)]
        lag[job, way] = min(race.worst_canary for race in races)

print("worst loop lag" + "".join(f"{way:>12}" for way in ways))
for job in jobs:
    print(f"{job:14}" + "".join(f"{1000 * lag[job, way]:9.0f} ms" for way in ways))
helped = [job for job in jobs if lag[job, "thread"] < lag[job, "inline"] / 2]
guess.beside(len(helped))

# %% [markdown]
# (Each was raced three times, and the calmest race is printed: a busy machine makes things later, never earlier.)
#
# - `rank`, `dump` and `match` are one long step each: a call written in C that keeps the GIL. In a thread they stall the loop for the whole length of the call.
# - `count` is many small steps. A thread helps to some extent. What is left is the queue for the lock.
# - In another process all four leave the loop alone.
#
# ## The repair: a pool of processes
#
# Here is the office again, with the last of the three ways. Its lines are explained below.

# %%
# %%app office_repaired.py
import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

import heavy
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as app.state.pool:
        for first in [app.state.pool.submit(heavy.ready) for _ in range(2)]:
            first.result()
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/rank")
async def rank():
    return await asyncio.get_running_loop().run_in_executor(app.state.pool, heavy.rank)

@app.get("/hours")
async def hours():
    return {"open": "9 to 5"}


# %%
good = await lab.race(wishes, title="five rankings", show=False)
lab.side_by_side(bad, good, titles=("a thread", "a process"))
print(f"The hours took {bad.requests[1].seconds:.2f} s before and {good.requests[1].seconds:.2f} s now.")

# %% [markdown]
# - `ProcessPoolExecutor(2)` is a pool of two **worker** processes. It is opened in the lifespan, once, and closed at the end of the app.
# - `get_context("spawn")` says how a worker is started: as a fresh Python. The second trap is about why that matters.
# - A worker is started only when there is a job and no worker free for it. So the lifespan submits two small first jobs, and waits for their results.
#   That blocks the loop, but before the first visitor there is nobody to be held up.
# - `run_in_executor(pool, function, arguments)` sends the job to a worker and can be awaited. There is no `to_process` in asyncio.
#
# Two workers make two rankings at a time, if there are two cores. The other rankings wait in a list. The loop has nothing to do with that.
#
# ## What travels, and what does not
#
# Two processes share no memory. The pool sends a *letter* to the worker: the name of the function and the arguments, turned into bytes. That is called **pickling**.
# The worker imports the module in which the function is, calls the function, and sends back the result, pickled as well.
#
# A function that cannot be imported by its name cannot be sent.

# %%
import pickle

import heavy

print("heavy.rank becomes", pickle.dumps(heavy.rank))
try:
    pickle.dumps(lambda: 42)
except Exception as error:
    lambda_error = f"{type(error).__name__}: {error}"
    print(lambda_error)

# %% [markdown]
# The letter with `heavy.rank` holds two names and nothing of the function itself. A lambda cannot be sent. Nor can a function inside a function, an open file,
# a connection or a lock.
#
# This is why the heavy work has a file of its own. A spawned worker imports the module in which the function is.
# If that were the app's file, each worker would import FastAPI and build the whole app once more, for nothing.
#
# And whatever travels is pickled on our side. By whom? By a thread of our process, while it holds the GIL.
# The next app has a large table of customers. One endpoint sends the table to the worker. The other sends nothing: the worker makes its own.

# %%
# %%writefile customers.py
def table():
    return [{"name": f"customer {n}", "city": f"city {n % 100}", "orders": n % 7} for n in range(150_000)]

TABLE = table()

def orders(customers):
    return sum(customer["orders"] for customer in customers)

def all_orders():
    return orders(TABLE)


# %%
# %%app post.py
import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

import customers
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as app.state.pool:
        app.state.pool.submit(customers.all_orders).result()
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/by_value")
async def by_value():
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(app.state.pool, customers.orders, customers.TABLE)

@app.get("/by_name")
async def by_name():
    return await asyncio.get_running_loop().run_in_executor(app.state.pool, customers.all_orders)


# %%
by_value = await lab.race("/by_value", n=3, show=False)
by_name = await lab.race("/by_name", n=3, show=False)
lab.side_by_side(by_value, by_name, titles=("the table travels", "the table is there"))
with_table, without = 1000 * by_value.worst_canary, 1000 * by_name.worst_canary
print(f"A canary waited {with_table:.0f} ms with the table, {without:.0f} ms without.")

# %% [markdown]
# The answers are the same, and both times the adding itself is done by the worker. On the left the app is busy with packing.
# The packing is one long call that keeps the GIL to its end. If the loop was asleep when the GIL was taken, the lane stays green: the loop cannot begin
# (lesson 07). The canary shows it.
# So send names, numbers, paths, keys: little things. Let the worker load the large thing, once. And let its answers be small.
#
# ## The first trap: a pool for each request
#
# `with ProcessPoolExecutor() as pool` looks harmless in an endpoint. What does it cost there?

# %%
# %%app hurried.py
import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

import heavy
from fastapi import FastAPI

SPAWN = multiprocessing.get_context("spawn")

@asynccontextmanager
async def lifespan(app):
    with ProcessPoolExecutor(1, mp_context=SPAWN) as app.state.pool:
        app.state.pool.submit(heavy.ready).result()
        yield

app = FastAPI(lifespan=lifespan)
@app.get("/own")
async def own():
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, heavy.ready)

@app.get("/shared")
async def shared():
    return await asyncio.get_running_loop().run_in_executor(app.state.pool, heavy.ready)


# %%
own = await lab.race("/own", n=3, title="a pool for each request")
shared = await lab.race("/shared", n=3, show=False)
for name, race in (("a pool of its own", own), ("the shared pool", shared)):
    processes = len({request.body for request in race.requests})
    print(f"{name:17}: the quickest took {1000 * race.quickest:.1f} ms, three requests used {processes} worker(s)")

# %% [markdown]
# A fresh Python must start and import the module before the job begins. And the end of the `with` waits until the worker is gone.
# It waits without `await`, on the loop: look at the lane.
#
# What you learned about the client, the pool of connections and the pool of threads holds here more than ever: open it in the lifespan, warm it up, share it.
#
# ## The second trap: `fork`
#
# On Linux there is an older way to make a process. `fork` copies the running one, with all that is in its memory. It is quick, and up to Python 3.13 it is
# what a pool does on Linux if you say nothing.
#
# But only *one* thread is copied along: the one that asked. If another one held a lock at that moment, the copy has the lock too, locked,
# and no thread that will ever unlock it. An app with an event loop nearly always has other threads. Locks are in loggers, in drivers, in pools.
#
# In the next app a thread holds a lock for half a second while a pool starts its worker. The worker's job needs the lock, too.

# %%
# %%app forked.py
import asyncio
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor

from fastapi import FastAPI, HTTPException

lock = threading.Lock()
app = FastAPI()

def careful(seconds):
    with lock:
        time.sleep(seconds)

@app.get("/start/{way}")
async def start(way: str, patience: float):
    threading.Thread(target=careful, args=[0.5]).start()
    while not lock.locked():
        time.sleep(0.001)
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(way))
    try:
        return await asyncio.wait_for(asyncio.wrap_future(pool.submit(careful, 0)), patience)
    except TimeoutError:
        raise HTTPException(504, "The worker did not come back.") from None


# %%
import multiprocessing

statuses = {}
for way, patience in (("fork", 3), ("spawn", 50)):
    if way in multiprocessing.get_all_start_methods():  # there is no fork on Windows
        locked = await lab.race(f"/start/{way}?patience={patience}", n=1, show=False)
        statuses[way] = locked.requests[0].status
        print(f"{way:6} {statuses[way]} after {locked.seconds:.2f} s")

# %% [markdown]
# The forked worker waits for ever: more patience would not help. It happens only if the moment is bad, and so it does not happen in your tests.
#
# - `spawn` starts a fresh Python, which has its own locks, all unlocked. It works everywhere, and costs the imports.
# - `forkserver` starts one fresh process without threads, early, and forks that. From Python 3.14 on it is the default on Linux.
#
# Say `spawn` or `forkserver` explicitly, in `mp_context`. Then the app behaves in the same way on every system and every Python.
#
# ## The third trap: a worker that dies
#
# A worker can be killed: by a bug in a library written in C, or by the operating system when memory runs out. `os._exit(1)` does it on purpose.
# The next app has two pools. One is used as before. The other is looked after: the request that finds it broken removes it and answers 503, *try again*.
# The next request makes a new one.

# %%
# %%app mortal.py
import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import heavy
from fastapi import FastAPI, HTTPException

JOBS, pools = {"work": (heavy.ready,), "crash": (os._exit, 1)}, {}
app = FastAPI()

@app.get("/{way}/{job}")
async def run(way: str, job: str):
    if way not in pools:
        pools[way] = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    pool = pools[way]
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, *JOBS[job])
    except BrokenProcessPool:
        if way == "left_alone":
            raise
        if pools.get(way) is pool:
            del pools[way]  # the next request makes a new one
        raise HTTPException(503, "A worker died. Try again.") from None


# %%
history = {}
for way in ("left_alone", "looked_after"):
    history[way] = []
    for job in ("work", "crash", "work", "work"):
        race = await lab.race(f"/{way}/{job}", n=1, show=False)
        history[way].append(race.requests[0].status)
    print(f"{way:13} work, crash, work, work: {history[way]}")

# %% [markdown]
# A broken pool stays broken. All jobs that are under way in it end with `BrokenProcessPool`, and so do all that come later,
# although nothing is wrong with them. In an app that nobody restarts this goes on for days.
#
# `if pools.get(way) is pool` is there because several requests may find out at the same time. The first removes the broken pool. The others must not remove the new one.
#
# A process has one advantage over a thread: it *can* be killed. But the pool has no way to stop a single job. If the visitor is gone, the worker works on, as a thread does.
#
# ## How large a pool?
#
# Here are eight counts in pools of different sizes, in the notebook: one worker, one for each core, and more than that. We stop at 8 and 12,
# lest a large machine fills its memory. `psutil` tells how much memory the workers have.

# %%
import os
import time
from concurrent.futures import ProcessPoolExecutor

import psutil

spawn = multiprocessing.get_context("spawn")

def eight_counts(size):
    """Seconds for eight counts in a pool that is warm, and the megabytes of its workers."""
    with ProcessPoolExecutor(size, mp_context=spawn) as pool:
        for first in [pool.submit(heavy.ready) for _ in range(size)]:
            first.result()
        began = time.perf_counter()
        for job in [pool.submit(heavy.count) for _ in range(8)]:
            job.result()
        seconds = time.perf_counter() - began
        workers = multiprocessing.active_children()
        return seconds, sum(psutil.Process(worker.pid).memory_info().rss for worker in workers) / 1e6

cores = os.cpu_count()
print(f"This machine has {cores} cores.")
sizes = {size: eight_counts(size) for size in sorted({1, min(cores, 8), min(3 * cores, 12)})}
for size, (seconds, megabytes) in sizes.items():
    print(f"{size:2} worker(s): {seconds:.2f} s, {megabytes:.0f} MB")

# %% [markdown]
# More workers than cores, or than jobs, do not make it faster. (On a machine that is busy with other things, not even two may be faster than one.) Each is a whole Python, with its own copy of everything that it imports, and that is what you pay.
# So take about as many as there are cores for this app, and no more than the memory allows. If you say nothing, the pool takes as many as the machine has cores
# (from 3.13 on: as the process may use, but a container's quota does not count). In a container that may be many more than the container is allowed to use.
#
# Remember that a server is often started as several processes (`uvicorn --workers 4`). Then each of them has a pool of its own.
#
# ## From Python 3.14 on: several interpreters in one process
#
# One process can hold several **interpreters**. Since Python 3.12 each can have a GIL of its own, and from 3.14 on Python code can start them.
# `InterpreterPoolExecutor` is a pool of them, with the same methods. The next cell tries it, if this Python has it.

# %%
import sys

if sys.version_info >= (3, 14):
    from concurrent.futures import InterpreterPoolExecutor

    # a new interpreter does not know the notebook's folder
    first = f"import sys; sys.path.insert(0, {os.getcwd()!r})"
    with InterpreterPoolExecutor(1, initializer=exec, initargs=(first,)) as pool:
        print("Ranked in another interpreter:", pool.submit(heavy.rank).result())
else:
    print(f"This is Python {sys.version.split()[0]}. There is no InterpreterPoolExecutor in it.")

# %% [markdown]
# Know two things before you reach for it. Arguments and results travel as letters here, too.
# And many packages written in C cannot be loaded in a second interpreter yet. Pillow, bcrypt and the core of pydantic are among them.
# FastAPI needs pydantic: one more reason to keep heavy work in a file that does not import the app.
#
# ## When not to bother
#
# A small job, in line and through a pool that is warm:

# %%
def small():
    return sum(range(1000))

began = time.perf_counter()
for _ in range(200):
    small()
in_line = (time.perf_counter() - began) / 200

with ProcessPoolExecutor(1, mp_context=spawn) as pool:
    pool.submit(heavy.ready).result()
    began = time.perf_counter()
    for _ in range(200):
        pool.submit(sum, range(1000)).result()
    in_process = (time.perf_counter() - began) / 200
print(f"In line {1e6 * in_line:.0f} µs, in a process {1e6 * in_process:.0f} µs.")
print(f"That is {in_process / in_line:.0f} times as long.")

# %% [markdown]
# - **Small work:** leave it in line.
# - **Work that lets go of the GIL:** Pillow, bcrypt, pbkdf2. A thread does it just as well, and nothing has to travel.
# - **Work that can be made small:** a regular expression without the nested `+`, a `sorted` that is done once when the data comes, a database that sorts.
#   Look there first. A process moves the work; it does not make it less.
# - **Work for minutes:** it should outlive the request, and a restart. That is a job for a queue with workers of its own, outside the app.
#
# ## What you have seen
#
# - `sorted`, `json.dumps` and a regular expression keep the GIL to the end of their call. In a thread they stall the loop as before. Plain Python in a thread stalls it less.
# - A `ProcessPoolExecutor`, opened in the lifespan and warmed up, leaves the loop alone for all of them.
# - Names and bytes travel. A lambda cannot be sent, and a large argument is packed while the GIL is held. Send little, and keep heavy work in a file of its own.
# - A pool inside a request starts a Python each time, and its end blocks the loop.
# - `fork` copies locks that nobody will unlock. Say `spawn` or `forkserver`.
# - A worker that dies breaks the pool for good. Put a new one in its place.
# - More workers than cores cost memory and gain nothing. From Python 3.14 on there are interpreters, for code that they can load.
# - Small work: leave it in line.
#
# ## Check yourself
#
# **1.** The office says `run_in_executor(app.state.pool, heavy.rank)`. Why not `asyncio.to_thread(heavy.rank)`?
#
# <details><summary>Answer</summary>
#
# `to_thread` always uses asyncio's own pool of threads, and a thread that ranks keeps the GIL. `run_in_executor` takes the pool as its first argument,
# and what the worker sends back can be awaited.
#
# </details>
#
# **2.** A colleague moves a function into a process pool. It takes a list with a million rows and returns one with a million rows. The loop is as blocked as before. Why?
#
# <details><summary>Answer</summary>
#
# Both lists are pickled and unpickled in the app's process, with the GIL held. The work has moved, the packing has stayed. Let the worker read the rows itself, and answer with what is needed.
#
# </details>
#
# ## Further reading
#
# - Python, *ProcessPoolExecutor*: https://docs.python.org/3/library/concurrent.futures.html#processpoolexecutor
# - Python, *Contexts and start methods*: https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
# - Python, *What can be pickled*: https://docs.python.org/3/library/pickle.html#what-can-be-pickled-and-unpickled
# - Python, *InterpreterPoolExecutor*: https://docs.python.org/3/library/concurrent.futures.html#interpreterpoolexecutor
#
# Next: the exercise of this lesson, in the notebook `exercise_08_processes.ipynb` beside this one.
