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
# # Threads
#
# > **It happened.** In July 2026, a burst of logins took a production service down. Each login ran bcrypt on the event loop for hundreds of milliseconds, and together they held up `/livez` for more than five seconds.
# > Kubernetes killed the pod, and since it was the only replica, every client got status 503. The fix was `asyncio.to_thread`, which works because bcrypt releases the GIL. ([akb#283](https://github.com/dnotitia/akb/pull/283))
#
# **About 20 minutes**, plus 20 for the sections marked "Deeper". You need lesson 01, *Sleeping* (`def` endpoints and their pool of 40 threads), and lesson 06, *Subprocesses* (why a timeout doesn't stop a program).
#
# You'll see
#
# - what CPU-bound work in an `async def` endpoint does;
# - three fixes: `asyncio.to_thread`, `run_in_threadpool`, a `def` endpoint;
# - why Python threads can work at the same time, and how to measure which work they can't share;
# - two traps: work that blocks the loop even from a thread, and a thread that keeps running after its request has given up;
# - when not to bother;
# - *deeper:* timeouts, clients that leave, bursts of threads, two fixes that don't fix, garbage collection, and objects that aren't thread-safe.
#
# So far the app waited for a supplier, a database, a disk, a program: its work was **I/O-bound**. From here on it's **CPU-bound**: there is something to compute, and our own process has to do it.
#
# The next cell loads the tools of the course. If it fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## A photograph
#
# A gallery shows small versions of large pictures. It uses **Pillow**, the package with which most Python apps handle pictures (its module is called `PIL`). The next cell makes a large photograph of nothing but noise, saves it, and
# shrinks it once, here in the notebook. `LANCZOS` is a filter of high quality, and a slow one.

# %%
import os
import tempfile
import time
from pathlib import Path

from PIL import Image

folder = Path(tempfile.mkdtemp(prefix="gallery-"))
os.environ["PHOTO"] = str(folder / "photo.jpg")
Image.effect_noise((2400, 1800), 60).convert("RGB").save(os.environ["PHOTO"])

began = time.perf_counter()
with Image.open(os.environ["PHOTO"]) as photo:
    small = photo.resize((320, 240), Image.Resampling.LANCZOS)
alone = time.perf_counter() - began
print(f"From {photo.size} to {small.size} in {alone:.2f} s. This machine has {os.cpu_count()} cores.")

# %% [markdown]
# ## Six pictures, and a health probe
#
# One endpoint of the gallery's app makes a small picture; the other one is the health probe. Six clients want a picture at the same moment. The probe is sent together with them, second in the list.

# %%
# %%app gallery.py
import os

from fastapi import FastAPI
from PIL import Image

app = FastAPI()


@app.get("/small")
async def small():
    with Image.open(os.environ["PHOTO"]) as photo:
        return photo.resize((320, 240), Image.Resampling.LANCZOS).size


@app.get("/health")
async def health():
    return "ok"


# %%
requests = ["/small", "/health"] + 5 * ["/small"]
bad = await lab.race(requests, title="six pictures")
print(f"The probe took {bad.requests[1].seconds:.2f} s.")

# %% [markdown]
# ## Which request waits for which
#
# 1. The app's only thread started a picture, read it and shrank it. It was busy with that, on one core.
# 2. There is no `await` in the endpoint, so the thread came back to the event loop when the picture was done, and not before.
# 3. The other requests waited for that thread, the probe included. How many pictures it had to wait for is a matter of luck.
# 4. The machine's other cores had nothing to do for this app.
#
# Writing `await` in front of `photo.resize` wouldn't help, because there is nothing to wait *for*. The work must be done. The only choice is which thread does it.
#
# ## The fix: another thread

# %%
# %%app gallery_fixed.py
import asyncio
import os

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from PIL import Image

app = FastAPI()

@app.get("/health")
async def health():
    return "ok"

@app.get("/plain")
def make_small():
    with Image.open(os.environ["PHOTO"]) as photo:
        return photo.resize((320, 240), Image.Resampling.LANCZOS).size

@app.get("/small")
async def small():
    return await asyncio.to_thread(make_small)

@app.get("/threadpool")
async def threadpool():
    return await run_in_threadpool(make_small)


# %% [markdown]
# - `asyncio.to_thread(function, arguments)` is part of Python. It runs the function in a thread of asyncio's own pool. Pass the function, `make_small`, and not its result, `make_small()`: the thread has to call it.
# - `run_in_threadpool` comes with FastAPI and uses the pool of 40 threads.
# - `make_small` is a plain `def` and an endpoint itself. FastAPI runs it in the pool of 40, too.
#
# ## A prediction
#
# You've seen how long six pictures took one after the other, and how many cores this machine has. How long will all six take with `to_thread`?

# %%
guess = lab.predict("six pictures in threads", None, "s")

# %%
good = await lab.race(requests, title="six pictures", show=False, prediction=guess)
lab.side_by_side(bad, good, titles=("on the loop", "to_thread"))
guess.compare(good.seconds)

threadpool = await lab.race("/threadpool", n=6, show=False)
plain = await lab.race("/plain", n=6, show=False)
print(f"The probe took {bad.requests[1].seconds:.2f} s before and {good.requests[1].seconds:.2f} s with to_thread.")
for name, race in (("run_in_threadpool", threadpool), ("def", plain)):
    print(f"{name:17} the slowest canary waited {1000 * race.worst_canary:.0f} ms")

# %% [markdown]
# Two different things have happened.
#
# - **The probe and the canaries are fast,** because the loop is free while other threads compute. That was the goal. (A short hatched stretch at the very beginning is the start of six threads; *A burst of threads* below is about that.)
# - **The total may be shorter too,** but not as with sleeping. Ten sleeps need no core. Six pictures do: on two cores they take at least half as long as before, however many threads there are, and on one core nothing is gained. A single picture may even
#   take longer than before, since it shares the cores with five others.
#
# ## Why this works, and when it doesn't
#
# You may have heard that Python threads can't work in **parallel** (at the same instant). That's nearly true. A Python process has one lock, the **GIL** (*global interpreter lock*), and a thread must hold it to run Python code. Every other thread that wants it
# waits, and the event loop's thread is one of them. A thread that runs Python code is asked to release the GIL every 5 milliseconds if others want it.
#
# But much of what we call isn't written in Python. Pillow's `resize` is written in C, and while it adds up pixels it needs no Python object. So its authors made it *release* the GIL first, and take it again at the end. In between, other threads can run Python code:
# the loop's, for instance.
#
# Does a function release the GIL? Its documentation rarely says so, but you can measure it, here in the notebook, which has an event loop of its own. `lag` gives a job to a thread. While the thread works, the loop sleeps for a millisecond, again and again, and records how late it
# woke up. The cell after it measures six jobs: `sha256` is a checksum for any data; `pbkdf2_hmac` and bcrypt hash passwords, and are slow on purpose.

# %%
import asyncio
import hashlib
import random
import sys

import bcrypt

async def lag(job):
    """Return the seconds that the job takes in a thread, and the loop's worst delay in that time."""
    began, worst = time.perf_counter(), 0.0
    task = asyncio.create_task(asyncio.to_thread(job))
    while not task.done():
        asleep = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - asleep - 0.001)
    return time.perf_counter() - began, worst

async def best_lag(job):
    """Return the calmest of three runs: a busy machine makes things later, never earlier."""
    return min([await lag(job) for _ in range(3)], key=lambda pair: pair[1])

print(f"A thread is asked to release the GIL every {1000 * sys.getswitchinterval():.0f} ms.")

# %%
noise = Image.effect_noise((3000, 2000), 60).convert("RGB")
megabytes = bytes(60_000_000)
salt = bcrypt.gensalt(11)
numbers = [random.random() for _ in range(500_000)]

def small_sums():
    for _ in range(100_000):
        hashlib.sha256(b"a small string").hexdigest()

jobs = {
    "Pillow, resize": lambda: noise.resize((320, 240), Image.Resampling.LANCZOS),
    "bcrypt": lambda: bcrypt.hashpw(b"secret", salt),
    "pbkdf2": lambda: hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 200_000),
    "sha256, 60 MB at once": lambda: hashlib.sha256(megabytes).hexdigest(),
    "sha256, 100,000 small": small_sums,
    "sorted": lambda: sorted(numbers),
}
measured = {}
for name, job in jobs.items():
    measured[name] = seconds, worst = await best_lag(job)
    print(f"{name:23} {1000 * seconds:4.0f} ms in a thread, the loop was late by {1000 * worst:4.0f} ms")


# %% [markdown]
# There are three kinds of work.
#
# - **It releases the GIL**: Pillow, bcrypt, pbkdf2, one large checksum. The loop hardly notices. (`hashlib` releases it only for more than 2,047 bytes at a time.)
# - **It releases the GIL when asked**: a hundred thousand small checksums are a hundred thousand short calls from Python code, and between two of them the GIL can change hands. The loop gets to run, but each time only after some milliseconds, and
#   the more threads compute, the longer it waits.
# - **It holds the GIL until it returns**: `sorted` is a single call, written in C, and it compares Python objects. Compare its two numbers.
#
# ### Your turn
#
# Which kind is `json.dumps(numbers)`? Predict, then run the cell. Then put work of your own into `mine`: a regular expression, a query result turned into a table, whatever your service computes.

# %%
import json

def mine():
    return json.dumps(numbers)

my_seconds, my_lag = await best_lag(mine)
print(f"{1000 * my_seconds:.0f} ms in a thread, and the loop was late by {1000 * my_lag:.0f} ms of them.")

# %% [markdown]
# <details><summary>What it shows</summary>
#
# `json.dumps` with the default settings is of the third kind: one call in C, which holds the GIL for nearly all of its time. So are some regular expressions, and parsers whose authors didn't release the lock. The only proof is a measurement.
#
# </details>
#
# ## The first trap: work that a thread can't take off the loop
#
# An endpoint sorts half a million numbers in a thread, just as above.

# %%
# %%app ranking.py
import asyncio
import random

from fastapi import FastAPI

app = FastAPI()
numbers = [random.random() for _ in range(500_000)]


@app.get("/median")
async def median():
    ranking = await asyncio.to_thread(sorted, numbers)
    return ranking[len(ranking) // 2]


# %%
ranked = await lab.race("/median", n=4)
lab.diagrams.gil().show()

# %% [markdown]
# There is an `await`, there is a thread, and a linter has nothing to report. Still, the loop is stopped for as long as each `sorted` takes, because its thread waits for the GIL. If the lane names a line, that is only where the loop's thread was when it lost the GIL: the line itself
# does nothing wrong. If the loop was waiting for I/O at that moment, the lane may even say *free*, because the lab only notices a callback that takes too long, and here none has started. The canary isn't fooled.
#
# Such work needs another *process*. That's lesson 08.
#
# ## The second trap: a timeout doesn't stop a thread
#
# The next app works in ten short steps, for a second in all. `asyncio.wait_for` waits half as long and then raises `TimeoutError`, and the endpoint responds with 504. `/steps` shows how far the threads have come.

# %%
# %%app patience.py
import asyncio
import threading
import time

from fastapi import FastAPI, HTTPException

steps = {"give_up": 0, "ask": 0}
app = FastAPI()
app.get("/steps")(lambda: steps)

def work(way, stop):
    while not stop.is_set() and steps[way] < 10:
        time.sleep(0.1)  # a step of work
        steps[way] += 1

@app.get("/work/{way}")
async def start(way: str):
    stop = threading.Event()
    try:
        await asyncio.wait_for(asyncio.to_thread(work, way, stop), 0.5)
    except TimeoutError:
        raise HTTPException(504, steps[way]) from None
    finally:
        if way == "ask":
            stop.set()


# %%
timed_out = await lab.race(["/work/give_up", "/work/ask"], show=False)
then = [json.loads(request.body)["detail"] for request in timed_out.requests]
await asyncio.sleep(1)
later = json.loads((await lab.race("/steps", n=1, show=False)).requests[0].body)
print(f"When the endpoints gave up, {then} steps of 10 were done. A second later: {later}.")

# %% [markdown]
# A thread can't be stopped from outside. Python has no such call, for a good reason: the thread may hold a lock or a half-written file. `asyncio.wait_for` cancelled *our wait*. The thread of the first request did all its ten steps for a client that was gone, and occupied its
# place in the pool all the while.
#
# You can *ask* a thread to stop. `threading.Event` is a flag that threads can share: `work` checks it between two steps, and `finally` sets it. This needs work that consists of steps; a single long call can't check a flag.
#
# ## When not to bother
#
# A checksum of one small text, a price from a table, a date: all of these are computed, too. Are they worth a thread? The next cell does the same small job *inline*, right where it's written, and in a thread.

# %%
import shutil

text = b"x" * 1000

began = time.perf_counter()
for _ in range(500):
    hashlib.sha256(text).hexdigest()
inline = (time.perf_counter() - began) / 500

began = time.perf_counter()
for _ in range(500):
    await asyncio.to_thread(lambda: hashlib.sha256(text).hexdigest())
in_thread = (time.perf_counter() - began) / 500
print(f"Inline {1e6 * inline:.1f} µs, in a thread {1e6 * in_thread:.0f} µs: {in_thread / inline:.0f} times as long.")
shutil.rmtree(folder, ignore_errors=True)

# %% [markdown]
# The thread hop costs much more than the job, so leave such a job inline. A millisecond is a good limit, but measure it with the largest input that a client can send, not with your own.
#
# (The cell also removed the photograph. To race the gallery once more, run the cell under *A photograph* first.) The core of the lesson ends here; the sections marked *Deeper* are optional,
# but the third endpoint of the exercise needs *Deeper: two fixes that don't fix*.
#
# ## Deeper: three timeouts around a thread
#
# Starlette, the framework that FastAPI is built on, runs its threads through a library called **AnyIO**, and AnyIO has a timeout of its own, `anyio.fail_after`. Here is a timeout of 0.2 seconds around a thread that sleeps for one second, in three combinations.

# %%
import anyio
from fastapi.concurrency import run_in_threadpool

async def patience(offload, wait, seconds=1):
    """Return how a timeout of 0.2 s ends around a sleeping thread, and after how many seconds."""
    began, ending = time.perf_counter(), "no error"
    try:
        await wait(offload(time.sleep, seconds))
    except TimeoutError:
        ending = "TimeoutError"
    return ending, time.perf_counter() - began

async def with_asyncio(job):
    async with asyncio.timeout(0.2):
        await job

async def with_anyio(job):
    with anyio.fail_after(0.2):
        await job

patient = {}
for pair in ((asyncio.to_thread, with_asyncio), (run_in_threadpool, with_asyncio), (run_in_threadpool, with_anyio)):
    patient[tuple(function.__name__ for function in pair)] = ending, seconds = await patience(*pair)
    print(f"{pair[0].__name__:17} {pair[1].__name__:12} {ending:12} after {seconds:.2f} s")


# %% [markdown]
# AnyIO shields the thread: the wait can't be cancelled before the thread is done. So in the third line, the timeout of 0.2 seconds has no effect: the wait ends after a second, and without an error.
#
# The second combination has a catch of its own. Each call in AnyIO's pool holds one of its places, called **tokens**, and returns it when the wait is over. The next cell gives the pool 4 tokens, and three times lets four calls time out.

# %%
import threading

pool = anyio.to_thread.current_default_thread_limiter()
pool.total_tokens, before = 4, threading.active_count()
for _ in range(3):
    await asyncio.gather(*(patience(run_in_threadpool, with_asyncio, seconds=3) for _ in range(4)))
taken, more = pool.borrowed_tokens, threading.active_count() - before
pool.total_tokens = 40
print(f"{taken} of 4 tokens are taken, and there are {more} threads more than before.")

# %% [markdown]
# According to the pool no thread is busy, although all of them are still running. So a timeout around a slow service defeats the limit, and the pool's own figures don't show it. In production, put `threading.active_count()` into your metrics too.
#
# ## Deeper: a client that leaves
#
# What if a client closes the connection? Here are two endpoints of ten steps each. One responds at the end; the other sends each step when it's done, as a **streaming response**. The next cell sends a request to both and hangs up early: after 0.3 seconds, and after the stream's first step.

# %%
# %%app leaving.py
import asyncio

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

done = {"endpoint": 0, "stream": 0}
app = FastAPI()
app.get("/done")(lambda: done)

async def ten_steps(way):
    for _ in range(10):
        await asyncio.sleep(0.1)
        done[way] += 1
        yield "a step\n"

@app.get("/endpoint")
async def endpoint():
    return [step async for step in ten_steps("endpoint")]

@app.get("/stream")
async def stream():
    return StreamingResponse(ten_steps("stream"))


# %%
port = int(lab.current().url.rsplit(":", 1)[1])
for way in ("endpoint", "stream"):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{way} HTTP/1.1\r\nHost: gallery\r\n\r\n".encode())
    await (reader.readuntil(b"a step") if way == "stream" else asyncio.sleep(0.3))
    writer.close()
await asyncio.sleep(1.2)
left_early = json.loads((await lab.race("/done", n=1, show=False)).requests[0].body)
print(f"Steps done although the client had left: {left_early}")

# %% [markdown]
# FastAPI doesn't cancel an ordinary endpoint when its client leaves: the endpoint runs to its end, and so does its thread. A stream is stopped.
#
# ## Deeper: a burst of threads
#
# A pool starts empty. Each job that finds no idle thread gets a new one, until the pool is full, and starting one takes a moment in which the loop waits:
#
# 1. `Thread.start` creates the thread, and then waits until that thread has signalled *I am running*. The timeline calls this *the start of threads*.
# 2. This wait has no `await`. It runs on the event loop's thread, so the loop stops.
# 3. To signal, the new thread needs the GIL. If many others compute already, it waits behind them, and the loop waits with it.
#
# The next app counts in pure Python, which is the second kind of work. `/forty` uses the pool of 40. `/few` has a pool of its own, whose threads the lifespan starts before the first request, by giving each of them a short sleep.

# %%
# %%app counting.py
import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI

THREADS = int(os.environ.get("THREADS", 2))

@asynccontextmanager
async def lifespan(app):
    with ThreadPoolExecutor(THREADS) as app.state.few:
        list(app.state.few.map(time.sleep, THREADS * [0.05]))
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/forty")
def count():
    return sum(n * n for n in range(600_000))

@app.get("/few")
async def few():
    return await asyncio.get_running_loop().run_in_executor(app.state.few, count)


# %% [markdown]
# ### Your turn
#
# Thirty requests, with both pools. Predict: which pool is done first, and in which one is the slowest canary? Then give the small pool another number of threads.

# %%
threads = 2  # try 1, 8, 30
os.environ["THREADS"] = str(threads)
server = lab.serve("counting.py")
forty = await lab.race("/forty", n=30, title="thirty counts", show=False)
few = await lab.race("/few", n=30, title="thirty counts", show=False)
lab.side_by_side(forty, few, titles=("a pool of 40", f"{threads} threads, started before"))
print(f"The slowest canary waited {forty.worst_canary:.2f} s with the pool of 40, and {few.worst_canary:.2f} s with {threads} threads.")

# %% [markdown]
# <details><summary>What to compare</summary>
#
# The slowest canary. Not the totals: the work is the same, only one thread at a time can do it, and the larger pool may even finish first. On the left, the loop waits for each thread to start, and then competes with all thirty for one lock. On the right there is nothing to
# start, and the loop competes with a few threads; the other jobs wait in the executor's queue, where waiting costs nothing.
#
# The sum of the hatched stretches says less. With the small pool each wait for the GIL is short, but the race can last longer and contain more of them. A hatched stretch on the right may name any line: that's where the loop's thread was when it waited for the GIL.
#
# </details>
#
# So cap the threads that compute, and start them early. For threads that *wait*, it's the other way round: many of them do no harm. But even a single thread that computes holds the GIL for five milliseconds at a time; lesson 08 moves such work to another process.
#
# ## Deeper: two fixes that don't fix
#
# *"I put `await asyncio.sleep(0)` between the pieces of work."* It lets the loop run its other callbacks between two pieces. But if eight requests compute like this, each iteration of the loop runs one piece of *each* of them before it accepts anything new.
#
# *"I use a `with ThreadPoolExecutor()` in the endpoint, and a timeout."* Leaving that `with` block waits until its threads are done, without `await`.

# %%
# %%app not_fixed.py
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

app = FastAPI()

def piece(seconds=0.02):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass

@app.get("/in_pieces")
async def in_pieces():
    for _ in range(10):
        piece()
        await asyncio.sleep(0)

@app.get("/with_pool")
async def with_pool():
    async with asyncio.timeout(0.1):
        with ThreadPoolExecutor() as pool:
            await asyncio.get_running_loop().run_in_executor(pool, time.sleep, 0.6)


# %%
one = await lab.race("/in_pieces", n=1, show=False)
eight = await lab.race("/in_pieces", n=8, show=False)
lab.side_by_side(one, eight, titles=("pieces of 20 ms, one request", "eight requests"))

leaving = await lab.race("/with_pool", n=1, show=False)
waited = leaving.requests[0].end
print(f"with_pool: a timeout of 0.1 s responded after {waited:.2f} s, and the loop was blocked for {leaving.blocked_seconds:.2f} s.")

# %% [markdown]
# With a single request, as on your own machine, the canary waits for about one piece. With eight requests, it waits for eight. And the timeout of 0.1 seconds fired on time: it cancelled the `await`, and then leaving the `with` block blocked the loop until the thread had slept its 0.6 seconds.
# Create a pool once, in the lifespan.
#
# ## Deeper: garbage collection
#
# Python frees most objects the moment their last reference goes. For objects that refer to each other in a circle it has a **garbage collector**, which now and then visits every container object there is, in one call that holds the GIL. An inference server reported stalls of 100 to 300 ms every 1.5 seconds from it.
# *([sglang#9241](https://github.com/sgl-project/sglang/pull/9241))* Another project, which called `gc.collect()` on the loop, moved it to a thread. *([pipecat#4255](https://github.com/pipecat-ai/pipecat/pull/4255))* Does that help?

# %%
import gc

cache = [[number] for number in range(1_000_000)]  # a million containers, as in a large cache
collected = await best_lag(gc.collect)
gc.freeze()
frozen = await best_lag(gc.collect)
gc.unfreeze()
del cache
for name, (seconds, worst) in (("gc.collect in a thread", collected), ("the same after gc.freeze", frozen)):
    print(f"{name:25} {1000 * seconds:4.0f} ms, the loop was late by {1000 * worst:4.0f} ms")

# %% [markdown]
# No thread helps, because the collector is work of the third kind. `gc.freeze()` does: it tells the collector to leave alone whatever exists now. Call it at the end of the lifespan's start-up, when everything that lives as long as the app is loaded.
#
# ## Deeper: what a thread must not share, and what it doesn't see
#
# "Use a thread" has a condition: the code must be **thread-safe**, that is, correct when several threads run it at the same time. A database connection, an ORM session or a counter often isn't. Some objects refuse; others lose data silently.
#
# Something else can get lost on the way to a thread. Apps often store what belongs to a request, such as the user's name, in a **context variable**: each request sees its own value of it. The second cell reads one from a thread in three ways (`None` stands for asyncio's own pool).

# %%
import sqlite3

connection = sqlite3.connect(":memory:")
try:
    await asyncio.to_thread(connection.execute, "select 1")
except sqlite3.ProgrammingError as error:
    refusal = str(error)
print("sqlite3:", refusal)

stock = {"left": 100}
def sell():
    left = stock["left"]
    time.sleep(0.1)  # any call that releases the GIL: a driver, a file, a log line
    stock["left"] = left - 1

sold = await asyncio.gather(*(asyncio.to_thread(sell) for _ in range(4)))
print(f"{len(sold)} of 100 sold, {stock['left']} left.")

# %%
from contextvars import ContextVar

user = ContextVar("user", default="unknown")
user.set("Ann")

with_to_thread = await asyncio.to_thread(user.get)
with_threadpool = await run_in_threadpool(user.get)
with_executor = await asyncio.get_running_loop().run_in_executor(None, user.get)
print(f"to_thread sees {with_to_thread}, run_in_threadpool sees {with_threadpool}, run_in_executor sees {with_executor}.")

# %% [markdown]
# The threads read the same number before any of them wrote. On the event loop this can only happen where there is an `await` between reading and writing; in a thread it can happen between any two lines. A `threading.Lock` around the two lines fixes it. (And hold it briefly: threads that wait for it occupy
# their places in the pool.)
#
# And `run_in_executor`, the oldest way to a thread, drops the context. Then the log names the wrong user, or none. Prefer `to_thread`. With a pool of your own, pass the context yourself: `run_in_executor(pool, contextvars.copy_context().run, function)`.
#
# ## What you have seen
#
# - CPU-bound work in an `async def` blocks the loop for as long as it takes. `await` wouldn't help: there is nothing to wait for.
# - `to_thread`, `run_in_threadpool` and a `def` endpoint let another thread do it. The loop is free; the total is bounded by the cores.
# - It depends on the GIL. Pillow, bcrypt, pbkdf2 and large checksums release it. Python code releases it when asked, every 5 ms. `sorted` and `json.dumps` hold it until they return, and a thread doesn't help.
# - A thread can't be stopped, only asked.
# - Work of some microseconds: leave it inline.
# - *Deeper:* a timeout can leave a thread running without counting it, or not fire at all. Cap the threads that compute, and start them early. `sleep(0)`, a pool in a `with` block and `to_thread(gc.collect)` don't fix anything. Objects that threads share must be thread-safe, and
#   `run_in_executor` drops the context.
#
# ## Check yourself
#
# **1.** A colleague writes `await asyncio.to_thread(bcrypt.checkpw(password, stored))`. The login never works, and the loop is blocked. Why?
#
# <details><summary>Answer</summary>
#
# `checkpw(...)` in the parentheses is called first, on the loop. Its result, `True` or `False`, is given to the thread, which can't call it. Right: `await asyncio.to_thread(bcrypt.checkpw, password, stored)`.
#
# </details>
#
# **2.** You move a regular expression into a thread, and the canary is as late as before. What do you conclude?
#
# <details><summary>Answer</summary>
#
# It's one call that holds the GIL until it returns, so no thread will help. It needs a better expression, a limit on its input, or another process.
#
# </details>
#
# ## Words of this lesson
#
# - **CPU-bound**: limited by computing. It needs a core for its whole time.
#   An `await` can't shorten it; another thread or process can do it elsewhere.
# - **GIL (global interpreter lock)**: the lock that a thread must hold to run Python code.
#   Code written in C may release it, and then threads run in parallel.
# - **to release the GIL**: to give it up while no Python object is needed.
#   Pillow and bcrypt do; `sorted` doesn't.
# - **inline**: in the place where the code is written, on the thread that is there.
#   In an `async def` endpoint that is the event loop's thread.
# - **thread-safe**: correct when several threads use it at the same time.
#   If the documentation doesn't say so, assume that it isn't.
# - **context variable**: a variable of which each request (each task) sees its own value.
#   `to_thread` passes it on, `run_in_executor` doesn't.
# - **garbage collector**: the part of Python that finds unused objects that refer to each other.
#   It visits all containers and holds the GIL.
#
# ## Further reading
#
# - Python, *Running in threads*: https://docs.python.org/3/library/asyncio-task.html#running-in-threads
# - Python, *hashlib*, on the GIL: https://docs.python.org/3/library/hashlib.html
# - Python, *Global interpreter lock*: https://docs.python.org/3/glossary.html#term-global-interpreter-lock
# - Python, `gc.freeze`: https://docs.python.org/3/library/gc.html#gc.freeze
# - AnyIO, *Working with threads*: https://anyio.readthedocs.io/en/stable/threads.html
#
# Next: the exercise of this lesson, in the notebook `exercise_07_threads.ipynb` next to this one.
