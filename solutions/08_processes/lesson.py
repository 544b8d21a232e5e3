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
# > **It happened.** A search service ran its tokenizer through `asyncio.to_thread`, because a comment in its code said that the tokenizer releases the GIL. It doesn't: under load, the worker threads starved the event loop, even `/livez` timed out, and Kubernetes took the
# > pod out of service and back again, so clients saw intermittent 503s. The fix was a pool of processes. ([akb#244](https://github.com/dnotitia/akb/pull/244))
#
# **About 20 minutes**, plus 20 for the sections marked "Deeper". You need lesson 07, *Threads* (the GIL, the lock that a thread must hold to run Python code), and lesson 02, *Calling HTTP* (the lifespan).
#
# You'll see
#
# - three kinds of work that stop the loop even from a thread, and a fourth that only delays it;
# - the fix: a pool of processes, opened in the lifespan;
# - what travels between two processes, what can't, and what it costs;
# - a trap: a pool that is started inside a request;
# - when not to bother;
# - *deeper:* `fork`, a worker that dies, the size of a pool, why more server workers don't fix blocking, what a probe sees while the app starts, and what's new in Python 3.14.
#
# In lesson 07, a `sorted` in a thread stopped the whole app, because it held the GIL until it returned. But a machine can run more than one Python, and each has a GIL of its own.
#
# The next cell loads the tools of the course. If it fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## Heavy work
#
# A statistics office has four CPU-bound jobs. They are in a file of their own, `heavy.py`, which doesn't import FastAPI, because the workers will import this file. (`%%writefile` saves a cell as a file without serving it.)
#
# - `rank` sorts many numbers and takes the one in the middle.
# - `dump` **serialises** the numbers to JSON, that is, it turns them into text.
# - `match` runs a regular expression that tries millions of ways to match a short text before it gives up.
# - `count` adds squares, in plain Python.

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
# ## A thread that doesn't help
#
# The office's app runs the ranking in a thread, as lesson 07 does with pictures.

# %%
# %%app office.py
import asyncio

import heavy
from fastapi import FastAPI

app = FastAPI()


@app.get("/rank")
async def rank():
    return await asyncio.to_thread(heavy.rank)


@app.get("/health")
async def health():
    return "ok"


# %%
bad = await lab.race(["/rank", "/health"] + 4 * ["/rank"], title="five rankings and a probe")
print(f"The probe took {bad.requests[1].seconds:.2f} s, and the slowest canary {bad.worst_canary:.2f} s.")

# %% [markdown]
# You know this from lesson 07: the ranking runs in a thread and is awaited, and the canary waits all the same. (A single probe can be lucky, if the loop takes it before the first ranking begins. The canary is sent again and again.) The lane may say *something that left no trace*, or name a line with `await`. The lab's own sampler is Python code too, and can't observe anything while another thread holds the GIL. If it names a line, that is
# only where the loop's thread was when it lost the GIL.
#
# ## Which request waits for which
#
# 1. The loop passed the first ranking to a thread, and was ready for the next request.
# 2. But the loop is Python code, so it needs the GIL to go on. The thread held the GIL, inside `sorted`.
# 3. A thread is asked to release the GIL every 5 milliseconds, but it checks only *between* two steps of Python code. `sorted` is one step, however long it takes.
# 4. So the loop waited until `sorted` was done. Then it got the GIL for a moment and took the next request, until the next thread took the GIL.
#
# ## A prediction
#
# The next app runs each of the four jobs in three ways: inline, on the loop; in a thread; and in another process. (How the third way works comes after the measurement.) The table shows the worst loop lag as a client experiences it: the longest wait of a canary. Measuring it takes half a minute or more.
#
# For how many of the four jobs does a thread help? Count it as a help if the lag is less than half of what it is inline.

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
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as app.state.pool:
        for job in [app.state.pool.submit(heavy.ready) for _ in range(2)]:
            job.result()
        yield

app = FastAPI(lifespan=lifespan)
app.get("/health")(lambda: "ok")

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
        lag[job, way] = min(race.worst_canary for race in races)  # the calmest of three

print("worst loop lag" + "".join(f"{way:>12}" for way in ways))
for job in jobs:
    print(f"{job:14}" + "".join(f"{1000 * lag[job, way]:9.0f} ms" for way in ways))
helped = [job for job in jobs if lag[job, "thread"] < lag[job, "inline"] / 2]
guess.compare(len(helped))

# %% [markdown]
# - `rank`, `dump` and `match` are one long step each: a call written in C that holds the GIL. Even from a thread, they stop the loop for the whole length of the call.
# - `count` consists of many small steps. A thread helps; what remains is the wait for the GIL.
# - In another process, all four leave the loop alone.
#
# ## The fix: a pool of processes
#
# You've just run it. These are the lines of `three_ways.py` that matter:
#
# - `ProcessPoolExecutor(2)` is a pool of two **worker** processes. It's opened once, in the lifespan, and closed when the app ends.
# - `get_context("spawn")` says how a worker is started: as a fresh Python. (*Deeper: `fork`* is about why that matters.)
# - A worker is started only when there is a job and no idle worker. So the lifespan submits two small jobs and waits for them: the pool is warm before the first request. This waits without `await`, which is fine here, because the server accepts no connection before the lifespan's start-up is over.
# - `run_in_executor(pool, function, arguments)` sends the job to a worker and returns an awaitable. asyncio has no `to_process`.
#
# Here is the office's race again, with the rankings in processes:

# %%
good = await lab.race(["/process/rank", "/health"] + 4 * ["/process/rank"], title="five rankings and a probe", show=False)
lab.side_by_side(bad, good, titles=("a thread", "a process"))
lab.diagrams.processes(2, note="The app's process only sends the job and awaits the result.").show()
print(f"The slowest canary waited {bad.worst_canary:.2f} s before and {good.worst_canary:.2f} s now.")

# %% [markdown]
# Two workers make two rankings in **parallel**, if there are two cores. The other rankings wait in the pool's queue, which the loop has nothing to do with.
#
# ## What travels, and what doesn't
#
# Two processes share no memory. The pool sends the worker a message: the name of the function and the arguments, turned into bytes. Python calls this kind of serialisation **pickling**. The worker imports the module that the function is in, calls the function, and sends back the pickled result.
#
# A function that can't be imported by its name can't be sent.

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
# The message with `heavy.rank` holds two names and nothing of the function itself. A lambda can't be sent; neither can a function inside a function, an open file, a connection or a lock.
#
# That's why the heavy work has a file of its own. A spawned worker imports the function's module, and if that were the app's file, each worker would import FastAPI and build the whole app once more, for nothing.
#
# Whatever travels is pickled on our side: by a thread of our process, which holds the GIL while it does so. In the next app, one endpoint sends a large table of customers to the worker. The other sends nothing, and the worker uses its own copy.

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
# %%app sales.py
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

# %% [markdown]
# The responses are the same, and both times the worker does the adding. On the left our own process is busy with pickling, one long call that holds the GIL to its end. (If the loop was waiting for I/O when it lost the GIL, the lane doesn't show that as a block, as in lesson 07. The canary is late all the same.)
#
# So send names, numbers, paths and keys. Let the worker load the large thing, once, and keep its results small as well.
#
# ## The trap: a pool for each request
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
    print(f"{name:17}: the fastest request took {1000 * race.quickest:.1f} ms, three requests used {processes} worker(s)")

# %% [markdown]
# A fresh Python has to start and import the module before the job begins. And at the end of the `with` block, the loop waits until the worker has exited. Nothing awaits that, so the loop is blocked: see the lane.
#
# The rule for clients, connection pools and thread pools matters most for a process pool: open it in the lifespan, warm it up, share it.
#
# ## When not to bother
#
# A small job, inline and through a warm pool:

# %%
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

spawn = multiprocessing.get_context("spawn")
began = time.perf_counter()
for _ in range(200):
    sum(range(1000))
inline = (time.perf_counter() - began) / 200

with ProcessPoolExecutor(1, mp_context=spawn) as pool:
    pool.submit(heavy.ready).result()
    began = time.perf_counter()
    for _ in range(200):
        pool.submit(sum, range(1000)).result()
    in_process = (time.perf_counter() - began) / 200
print(f"Inline {1e6 * inline:.0f} µs, in a process {1e6 * in_process:.0f} µs: {in_process / inline:.0f} times as long.")

# %% [markdown]
# - **Small work:** leave it inline.
# - **Work that releases the GIL** (Pillow, bcrypt, pbkdf2): a thread does it just as well, and nothing has to travel.
# - **Work for minutes:** it should survive the request, and a restart of the app. That's a job for a task queue with workers of its own, outside the app.
# - **Work that can be made smaller:** a `sorted` that is done once when the data arrives, a database that sorts, a better regular expression. Try that first, because a process moves the work and doesn't reduce it.
#
# ### Your turn
#
# `match` takes as long as it does because of its pattern. Replace `None` with a pattern, in quotes, that answers the same question (does the text consist of nothing but the letter a?) without trying every way to split the text.

# %%
import re

def timed_match(pattern):
    began = time.perf_counter()
    found = bool(re.match(pattern, "a" * 22 + "b"))
    return found, time.perf_counter() - began

your_pattern = None or "(a+)+$"
theirs, slow = timed_match("(a+)+$")
yours, fast = timed_match(your_pattern)
same = yours == theirs and bool(re.match(your_pattern, "a" * 22))
print(f"Theirs: {1000 * slow:.2f} ms. Yours: {1000 * fast:.2f} ms, with {'the same' if same else 'another'} result.")

# %% [markdown]
# <details><summary>A pattern that does it</summary>
#
# `a+$`. The nested `(a+)+` lets the engine split 22 letters into groups in about two million ways, and it tries them all before it gives up. No pool of processes saves you from a client who sends 40 letters: limit the length of what a client may send, too.
#
# </details>
#
# The core of the lesson ends here; the sections marked *Deeper* are optional.
#
# ## Deeper: `fork`
#
# On Linux there is an older way to make a process. `fork` copies the running one with everything in its memory. It's fast, and up to Python 3.13 it's the default of a pool on Linux. But it copies only *one* thread, the one that called `fork`. If another thread held a lock at that moment, the copy has that lock, locked, and no thread that will ever unlock it. An app with an
# event loop nearly always has other threads, and there are locks in loggers, drivers and pools.
#
# It has happened: an evaluation job got through 84 of 500 tasks, and then all its 30 workers waited for a lock for more than nine hours. *([OpenHands/benchmarks#459](https://github.com/OpenHands/benchmarks/pull/459))* In the next app, a thread holds a lock for half a second while a pool starts its worker, and the worker's job needs that lock too.

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
statuses = {}
for way, patience in (("fork", 3), ("spawn", 50)):
    if way in multiprocessing.get_all_start_methods():  # there is no fork on Windows
        locked = await lab.race(f"/start/{way}?patience={patience}", n=1, show=False)
        statuses[way] = locked.requests[0].status
        print(f"{way:6} {statuses[way]} after {locked.seconds:.2f} s")

# %% [markdown]
# The forked worker waits forever; a longer timeout wouldn't help. It only happens when the fork comes at the wrong moment, so your tests don't show it. Since Python 3.12, a `fork` in a process with several threads at least logs a `DeprecationWarning`.
#
# - `spawn` starts a fresh Python, which has its own locks, all unlocked. It works everywhere, and costs the imports.
# - `forkserver` starts one fresh process without threads, early, and forks that. From Python 3.14 on it's the default on Linux.
#
# Name one of the two in `mp_context`. Then the app behaves in the same way on every system and every Python.
#
# ## Deeper: a worker that dies
#
# A worker can be killed: by a bug in a C library, or by the operating system when memory runs out. `os._exit(1)` does it on purpose. The next app has two pools. One is left alone when it breaks. The other is replaced: the request that finds it broken removes it and responds with 503, *Service Unavailable*, and the next request creates a new one.

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
for way in ("left_alone", "replaced"):
    history[way] = []
    for job in ("work", "crash", "work", "work"):
        race = await lab.race(f"/{way}/{job}", n=1, show=False)
        history[way].append(race.requests[0].status)
    print(f"{way:13} work, crash, work, work: {history[way]}")

# %% [markdown]
# A broken pool stays broken. All its jobs end with `BrokenProcessPool`, and so do all later ones, although nothing is wrong with them. (Several requests may find the pool broken at the same time. The first one removes it, and `if pools.get(way) is pool` makes sure that the others don't remove the new one.)
#
# ## Deeper: how large a pool?
#
# The next cell runs `count` eight times, in pools of different sizes. `psutil` reports how much memory the workers use.
#
# ### Your turn
#
# Predict: how much faster is one worker per core than a single worker? And three per core? Then replace `None` with a list of sizes of your own, such as `[1, 4]`.

# %%
import os

import psutil

def eight_counts(size):
    """Return the seconds for eight counts in a warm pool, and the megabytes of its workers."""
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
sizes = {size: eight_counts(size) for size in None or sorted({1, min(cores, 8), min(3 * cores, 12)})}
for size, (seconds, megabytes) in sizes.items():
    print(f"{size:2} worker(s): {seconds:.2f} s, {megabytes:.0f} MB")


# %% [markdown]
# <details><summary>What decides</summary>
#
# The number of cores determines the time: more workers than cores, or than jobs, don't make it faster, and on a machine that is busy with other things not even two may be faster than one. The number of workers determines the memory: each is a whole Python with its own copy of everything it imports.
#
# </details>
#
# So take about as many workers as there are cores for this app, and no more than the memory allows. By default, the pool has as many workers as the machine has cores. (From Python 3.13 on, only cores that the process may use count. A container's CPU quota never counts, so in a container the default may be far too many.)
#
# ## Deeper: why not just run more server workers?
#
# `uvicorn --workers 2` starts the whole app twice, and both processes accept connections. Doesn't that fix a blocking endpoint? Lesson 01 has a first answer; here you choose the numbers. The next app blocks its loop for half a second per request. And as many apps do, it loads something large in its lifespan: here, that takes until the notebook removes the file `loading`.

# %%
# %%writefile blocking_service.py
import os
import time
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    Path(f"started-{os.getpid()}").touch()
    while Path("loading").exists():  # a large model, say
        time.sleep(0.05)
    yield

app = FastAPI(lifespan=lifespan)

@app.get("/slow")
async def slow():
    time.sleep(0.5)

@app.get("/health")
async def health():
    return "ok"


# %%
import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import httpx

async def until(condition):
    while not condition():
        await asyncio.sleep(0.05)

async def status_of(path):
    """Return the status (None if the connection is refused), and the seconds until it came."""
    began = time.perf_counter()
    async with httpx.AsyncClient(timeout=60) as client:
        try:
            status = (await client.get(f"http://127.0.0.1:{port}{path}")).status_code
        except httpx.ConnectError:
            status = None
    return status, time.perf_counter() - began

with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]


# %% [markdown]
# ### Your turn
#
# Four slow requests at the same moment, and two server workers. Predict when the last one is done. Then try other numbers of workers and requests.

# %%
workers, slow_requests = 2, 4  # try 4, 4 and 2, 8
Path("loading").touch()
command = [sys.executable, "-m", "uvicorn", "blocking_service:app", "--workers", str(workers), "--port", str(port)]
service = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    await until(lambda: len(list(Path().glob("started-*"))) == workers or service.poll() is not None)
    while_loading, _ = await status_of("/health")
    Path("loading").unlink()
    while (await status_of("/health"))[0] is None and service.poll() is None:
        await asyncio.sleep(0.05)
    slow_times = sorted([took for _, took in await asyncio.gather(*(status_of("/slow") for _ in range(slow_requests)))])
finally:
    service.terminate()
    service.wait()
    for file in Path().glob("started-*"):
        file.unlink()

print("A health probe while the app loads:", while_loading or "connection refused")
print(f"{slow_requests} slow requests on {workers} workers took", ", ".join(f"{took:.2f} s" for took in slow_times))

# %% [markdown]
# <details><summary>What it shows</summary>
#
# Each process still serves one slow request at a time. So the last one takes at least 0.5 s times the number of requests per worker, rounded up. It can take longer, because the operating system gives a new connection to *some* worker, and not to the one that is free. More workers give you more copies of the same queue of waiting requests, and each copy takes as much memory as a whole app. Fix the blocking call; then add workers to use more cores.
#
# </details>
#
# And the probe? During the lifespan's start-up the server doesn't listen yet, so the connection is refused. That's right for a *readiness* probe: no traffic before the model is loaded. But a *liveness* probe that allows less time than the loading takes restarts the app again and again. Give it a longer start-up period (Kubernetes calls it `startupProbe`). And
# remember that each server worker has pools of its own: four workers with a pool of four make sixteen processes.
#
# ## Deeper: from Python 3.14 on
#
# A process has one advantage over a thread: it *can* be killed. But up to 3.13 a pool has no method that stops a running job. If the client disconnects, the worker continues, as a thread does. Python 3.14 adds `terminate_workers` and `kill_workers`, which end all workers of a pool.
#
# And one process can hold several **interpreters**, each with a GIL of its own. From 3.14 on, `InterpreterPoolExecutor` is a pool of them, with the same methods. The next cell tries it, if this Python has it.

# %%
print("This pool has terminate_workers:", hasattr(ProcessPoolExecutor, "terminate_workers"))
if sys.version_info >= (3, 14):
    from concurrent.futures import InterpreterPoolExecutor

    # a new interpreter does not know the notebook's folder
    first = f"import sys; sys.path.insert(0, {os.getcwd()!r})"
    with InterpreterPoolExecutor(1, initializer=exec, initargs=(first,)) as pool:
        print("Ranked in another interpreter:", pool.submit(heavy.rank).result())
else:
    print(f"This is Python {sys.version.split()[0]}. There is no InterpreterPoolExecutor in it.")

# %% [markdown]
# Know two things before you use it. Arguments and results are pickled here, too. And many packages written in C can't be loaded in a second interpreter yet, among them Pillow, bcrypt and the core of pydantic. FastAPI needs pydantic: one more reason to have heavy work in a file that doesn't import the app.
#
# ## What you have seen
#
# - `sorted`, `json.dumps` and a regular expression hold the GIL to the end of their call. In a thread they stop the loop as before. Plain Python in a thread only delays it.
# - A `ProcessPoolExecutor`, opened in the lifespan and warmed up, leaves the loop alone for all of them.
# - Names and bytes travel. A lambda can't be sent, and a large argument is pickled with the GIL held. Send little, and have heavy work in a file of its own.
# - A pool inside a request starts a Python each time, and its end blocks the loop.
# - Small work: leave it inline. And try to make the work smaller first.
# - *Deeper:* `fork` copies locks that stay locked forever, so say `spawn` or `forkserver`. A worker that dies breaks the pool for good. More workers than cores cost memory and gain nothing, and more server workers don't fix a blocking call.
#
# ## Check yourself
#
# **1.** The office uses `run_in_executor(app.state.pool, heavy.rank)`. Why not `asyncio.to_thread(heavy.rank)`?
#
# <details><summary>Answer</summary>
#
# `to_thread` always uses asyncio's own pool of threads, and a thread that ranks holds the GIL. `run_in_executor` takes the pool as its first argument, and what the worker sends back can be awaited.
#
# </details>
#
# **2.** A colleague moves a function into a process pool. It takes a list with a million rows and returns one with a million rows. The loop is as blocked as before. Why?
#
# <details><summary>Answer</summary>
#
# Both lists are pickled and unpickled in the app's process, with the GIL held. The computation has moved to the worker, but the pickling hasn't. Let the worker read the rows itself, and return only what is needed.
#
# </details>
#
# ## Words of this lesson
#
# - **process**: a running program with its own memory, and (if it's a Python) its own GIL.
#   Several of them run Python code in parallel, one per core.
# - **worker process**: a process of a pool that waits for jobs.
#   It imports the function's module once and then runs job after job.
# - **to serialise**: to turn objects into bytes or text that can be sent or stored.
#   JSON is one format, pickle another; both cost CPU time.
# - **pickling**: Python's own serialisation.
#   Functions travel by name only, and files, locks and connections not at all.
# - **spawn, forkserver, fork**: the ways to start a process: fresh, as a copy of a clean helper process, or as a copy of the app's own process.
#   Only the first two are safe in an app that has threads.
# - **readiness probe, liveness probe**: "may it get requests?" and "must it be restarted?".
#   While an app starts, it fails the first, and that's right. It must not fail the second.
# - **catastrophic backtracking**: a regular expression that tries exponentially many ways before it gives up.
#   It's a single call that holds the GIL.
#
# ## Further reading
#
# - Python, *ProcessPoolExecutor*: https://docs.python.org/3/library/concurrent.futures.html#processpoolexecutor
# - Python, *Contexts and start methods*: https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
# - Python, *What can be pickled*: https://docs.python.org/3/library/pickle.html#what-can-be-pickled-and-unpickled
# - Python, *InterpreterPoolExecutor*: https://docs.python.org/3/library/concurrent.futures.html#interpreterpoolexecutor
# - Kubernetes, *Liveness, readiness and startup probes*: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
#
# Next: the exercise of this lesson, in the notebook `exercise_08_processes.ipynb` next to this one.
