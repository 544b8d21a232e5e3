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
# This lesson takes about 25 minutes. You need lesson 01, *Sleeping*: you know `def` endpoints and the pool of 40 threads.
# From lesson 05 you should know `asyncio.to_thread`, and from lesson 06 why giving up is not stopping.
#
# You will see
#
# - what real work in an `async def` endpoint does: a picture, or a checksum (a number made from data,
#   by which you can tell whether the data has changed);
# - three repairs: `asyncio.to_thread`, `run_in_threadpool`, a `def` endpoint;
# - why two Python threads can work at the same time at all, and for which work they cannot;
# - a hundred thousand small checksums in a thread: it works, with a lag;
# - a first trap: work that no thread can take off the loop;
# - a second trap: a thread that works on when its request is gone, and that nobody counts any more;
# - a third trap: a burst of requests that becomes a burst of threads;
# - when not to bother.
#
# So far the app waited: for a supplier, a database, a disk, a program. There was nothing to do meanwhile.
# From here on there is something to do, and our own process has to do it.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## A photograph
#
# A gallery shows small versions of large pictures. **Pillow** is the package with which most Python apps handle pictures;
# its module is called `PIL`. The next cell makes a large photograph of nothing but noise, and saves it.
# Then it shrinks it once, here in the notebook. `LANCZOS` is a careful way to do that, and takes its time.

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
# That time is spent working. A **core** is a part of the machine that can do one piece of work at a time.
#
# ## What goes wrong
#
# The gallery's app, written without a second thought. One endpoint makes a small picture, the other says when the gallery is open.

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


@app.get("/hours")
async def hours():
    return {"open": "9 to 5"}


# %% [markdown]
# Six visitors want a small picture at once. A seventh wants only the hours. She is the second in the list.

# %%
wishes = ["/small", "/hours"] + 5 * ["/small"]
bad = await lab.race(wishes, title="six pictures")
print(f"The hours took {bad.requests[1].seconds:.2f} s. A canary waited {bad.worst_canary:.2f} s.")

# %% [markdown]
# ## Who waited for whom
#
# The requests in the order in which they were answered:

# %%
before = 0.0
for place, request in enumerate(sorted(bad.requests, key=lambda r: r.end), 1):
    after = request.end - before
    print(f"{place}. {request.path:6} answered at {request.end:.2f} s, {after:.2f} s after the one before")
    before = request.end

# %% [markdown]
# 1. The app's only thread took a picture, read it and shrank it. It was busy with that, on one core.
# 2. There is no `await` in the endpoint. So the thread came back to the loop when the picture was done, and not before.
# 3. The other visitors stood at the door, with small wishes and large ones.
# 4. The other cores of the machine had nothing to do for this app.
#
# An `await` in front of `photo.resize` would not help: there is nothing to wait *for*. The work must be done. The question is: by which thread?
#
# ## The repair: another thread
#
# There are three ways to write it. You know `to_thread` from lesson 05, and `def` from lesson 01.

# %%
# %%app gallery_repaired.py
import asyncio
import os

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from PIL import Image

app = FastAPI()

@app.get("/hours")
async def hours():
    return {"open": "9 to 5"}

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
# - `asyncio.to_thread(function, arguments)` comes with Python. It hands the function to a thread of asyncio's own pool.
#   Note what is in the brackets: `make_small`, and not `make_small()`. It is for the thread to call it.
# - `run_in_threadpool` comes with FastAPI. It uses the pool of 40 threads.
# - `make_small` is a plain `def` function, and an endpoint itself. FastAPI runs it in the pool of 40, too.
#
# ## A prediction
#
# You have seen how long six pictures took one after the other. The cell with the photograph said how many cores this machine has.
# How long will all six take with `to_thread`?

# %%
guess = lab.predict("six pictures in threads", None, "s")

# %%
good = await lab.race(wishes, title="six pictures", prediction=guess)
guess.beside(good.seconds)

lab.side_by_side(bad, good, titles=("on the loop", "to_thread"))
print(f"The hours took {bad.requests[1].seconds:.2f} s before and {good.requests[1].seconds:.2f} s now.")
print(f"All together took {bad.seconds:.2f} s before and {good.seconds:.2f} s now.")

# %% [markdown]
# Two different things have happened.
#
# - The hours and the canary are quick. The loop is free while others work. This is why we did it.
#   (A short hatched stretch at the very beginning is six threads being started. The line below the lane then says
#   *the start of threads*: the loop's thread waits until a new thread has begun. The section *A burst of threads* below shows why
#   that can take long. If the line names one of your own lines with the words *in a thread*, that work kept the loop waiting for a moment.
#   *Something that left no trace* is a call that kept even our watch from looking; lesson 08 is about such calls.)
# - The total may be shorter, too. It may also be longer, where other programs want the cores. In any case it is not as it was with sleeping.
#   Ten sleeps need no core. Six pictures do: on two cores they take at least half the time, however many threads there are.
#   On one core nothing is gained.
#
# A single picture may even take longer than before: it shares the cores with five others.
#
# The other two ways:

# %%
threadpool = await lab.race("/threadpool", n=6, show=False)
plain = await lab.race("/plain", n=6, show=False)
for name, race in (("run_in_threadpool", threadpool), ("def", plain)):
    waited = f"the slowest canary waited {1000 * race.worst_canary:.0f} ms"
    print(f"{name:17} six pictures in {race.seconds:.2f} s, {waited}")

# %% [markdown]
# All three are honest.
#
# ## Why this works, and when it does not
#
# You may have heard that Python threads cannot work at the same time. That is nearly true.
#
# A Python process has one lock, the **GIL**, the *global interpreter lock*. You met it in lesson 05. A thread must hold it to run Python code,
# and only one thread can. Any other that wants it must wait. A wait for a lock is a wait like any other,
# and the thread of the loop stands in the same queue.
# A thread that runs Python code is asked to hand the GIL on every 5 milliseconds, if others want it.
# (There are builds without it, `python3.13t` and `python3.14t`: `sys._is_gil_enabled()` tells. There `sorted` in a thread stalls the loop
# far less, but not never.)
#
# But much of what we call is not written in Python. Pillow's `resize` is written in C. It needs no Python object while it adds up
# pixels. So its authors made it *let go* of the GIL first, and take it again at the end. Meanwhile other threads can run Python: the loop's, for instance.
#
# Does a function let go? Usually nobody tells you. But it can be measured, here in the notebook, which has a loop of its own.
# `lag` hands a job to a thread. Meanwhile the loop sleeps for a millisecond, again and again, and we note how late it wakes up at worst.

# %%
import asyncio
import hashlib
import random

import bcrypt

async def lag(job):
    """Seconds that the job takes in a thread, and by how much the loop is late meanwhile, at worst."""
    began, worst = time.perf_counter(), 0.0
    task = asyncio.create_task(asyncio.to_thread(job))
    while not task.done():
        asleep = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - asleep - 0.001)
    return time.perf_counter() - began, worst

# %% [markdown]
# Here are six jobs. `sha256` is a checksum for any data. `pbkdf2_hmac` and bcrypt make checksums of passwords, and are slow on purpose.

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
    measured[name] = min([await lag(job) for _ in range(3)], key=lambda pair: pair[1])

for name, (seconds, worst) in measured.items():
    print(f"{name:23} {1000 * seconds:4.0f} ms in a thread, the loop was late by {1000 * worst:4.0f} ms")

# %% [markdown]
# (Each was run three times, and the best of them is printed: a busy machine makes things later, never earlier.)
#
# There are three kinds.
#
# - **It lets go of the GIL**: Pillow, bcrypt, pbkdf2, one large checksum. The loop hardly feels them. `hashlib` lets go only for more than 2,047 bytes at a time.
# - **It hands the GIL on when asked**: a hundred thousand small checksums are a hundred thousand short calls from Python code.
#   Between two of them the GIL can be handed on. The loop gets its turn, but each time only after some milliseconds.
# - **It keeps the GIL**: `sorted` is one call, written in C, and it compares Python objects. It keeps the GIL to its end. Compare its two numbers.
#
# ## A hundred thousand small checksums
#
# Here is the second kind in an app: a small string is hashed a hundred thousand times, once on the loop and once with `run_in_threadpool`.

# %%
# %%app checksums.py
import hashlib

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

app = FastAPI()


def checksum(data):
    for _ in range(100_000):
        data = hashlib.sha256(data).digest()
    return data.hex()


@app.get("/inline")
async def inline():
    return checksum(b"a small string")


@app.get("/threadpool")
async def threadpool():
    return await run_in_threadpool(checksum, b"a small string")


# %%
async def calmest(path):
    races = [await lab.race(path, n=4, title="four checksums", show=False) for _ in range(3)]
    return min(races, key=lambda race: race.worst_canary)

inline, pooled = await calmest("/inline"), await calmest("/threadpool")
lab.side_by_side(inline, pooled, titles=("on the loop", "run_in_threadpool"))
before, now = 1000 * inline.worst_canary, 1000 * pooled.worst_canary
print(f"A canary waited {before:.0f} ms before, {now:.0f} ms now.")
print(f"All four took {inline.seconds:.2f} s before, {pooled.seconds:.2f} s now.")

# %% [markdown]
# It works: others are answered. But look at the canaries on the right. Four threads and the loop all want the same lock,
# and each thread keeps it for up to 5 milliseconds. So the loop stands in a queue of five, several times for each answer.
# And the total is hardly shorter, if at all: only one of them works at a time, on any number of cores.
#
# ## The first trap: what a thread cannot fix
#
# Now the third kind. An endpoint sorts half a million numbers in a thread, as we have just learned to do.

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
print(f"A canary waited {1000 * ranked.worst_canary:.0f} ms, with the work in a thread.")

# %% [markdown]
# There is an `await`, there is a thread, and a linter is content. And the loop stands still for as long as each `sorted` takes:
# the canary waits, and so does everybody. The line that the lane names is only where the loop's thread was when the GIL was taken from it:
# it waits there for the lock, and does nothing.
# If the loop was asleep at that moment, the lane may even say that it is free: the lane watches what the loop *does*, and here the loop cannot begin.
# The canary is not fooled.
#
# No line of the app holds the loop up. It cannot go on because it does not get the lock.
# `json.dumps` of large data and some regular expressions do the same. For such work you need another *process*. That is lesson 08.
#
# ## The second trap: giving up is not stopping
#
# The next app works in ten small steps, for a second in all. `asyncio.wait_for` waits half as long for it and then raises `TimeoutError`,
# as `asyncio.timeout` did in lesson 06. Then the app gives up and answers 504, *too slow*. `steps` shows how far the threads have come.

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
import json

answers = await lab.race(["/work/give_up", "/work/ask"], title="five steps of ten", show=False)
then = [json.loads(request.body)["detail"] for request in answers.requests]
await asyncio.sleep(1)
later = json.loads((await lab.race("/steps", n=1, show=False)).requests[0].body)
print(f"When the app gave up, {then} steps of 10 were done. A second later: {later}.")

# %% [markdown]
# Nobody can stop a thread from outside. Python has no such command, and for a reason: the thread may hold a lock or a half-written file.
# `asyncio.wait_for` cancelled *our wait*. The thread of the first request did all its ten steps, for nobody,
# and its place in the pool stayed taken meanwhile.
#
# You can *ask* it to stop. `threading.Event` is a flag that threads can share. `work` looks at it between two steps, and `finally` sets it.
# This needs work that has steps. You cannot ask one long call to stop.
#
# With `asyncio.timeout` the thread behind `run_in_threadpool` runs on as well. But FastAPI is built on a library called **AnyIO**,
# which has a timeout of its own, `anyio.fail_after`. Let us try all three:

# %%
import anyio
from fastapi.concurrency import run_in_threadpool

async def patience(hand_over, wait, seconds=1):
    """How a timeout of 0.2 s ends around a sleep in a thread, and after how many seconds."""
    began, ending = time.perf_counter(), "no error"
    try:
        await wait(hand_over(time.sleep, seconds))
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
    patient[tuple(function.__name__ for function in pair)] = await patience(*pair)
for (hand_over, wait), (ending, seconds) in patient.items():
    print(f"{hand_over:17} {wait:12} {ending:12} after {seconds:.2f} s")

# %% [markdown]
# AnyIO protects the thread: it does not let the wait be cancelled before the thread is done. So there a timeout of 0.2 seconds
# is over after a second, and without an error.
#
# The second pair has a catch of its own. Whoever runs in AnyIO's pool holds one of its places, and gives it back when the wait is over.
# Here the pool gets 4 places. Three times, four jobs are given up.

# %%
import threading

pool = anyio.to_thread.current_default_thread_limiter()
pool.total_tokens, before = 4, threading.active_count()
for _ in range(3):
    await asyncio.gather(*(patience(run_in_threadpool, with_asyncio, seconds=3) for _ in range(4)))
taken, more = pool.borrowed_tokens, threading.active_count() - before
pool.total_tokens = 40
print(f"{taken} of 4 places are taken, and there are {more} threads more than before.")

# %% [markdown]
# The pool believes that it is empty, and the threads are still at work. So a timeout around a slow service undoes the limit, and the pool's
# own figures do not show it. In production, watch `threading.active_count()` too.
#
# What if a visitor closes the browser? Here are two endpoints of ten steps each: one answers at the end, one sends each step as it is done,
# as a *stream*. We ask both, and hang up early.

# %%
# %%app leaving.py
import asyncio

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

done = {"answer": 0, "stream": 0}
app = FastAPI()
app.get("/done")(lambda: done)

async def ten_steps(way):
    for _ in range(10):
        await asyncio.sleep(0.1)
        done[way] += 1
        yield "a step\n"

@app.get("/answer")
async def answer():
    return [step async for step in ten_steps("answer")]

@app.get("/stream")
async def stream():
    return StreamingResponse(ten_steps("stream"))


# %%
port = int(lab.current().url.rsplit(":", 1)[1])
for way in ("answer", "stream"):
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{way} HTTP/1.1\r\nHost: gallery\r\n\r\n".encode())
    await asyncio.sleep(0.3)
    writer.close()
await asyncio.sleep(1.2)
left_early = json.loads((await lab.race("/done", n=1, show=False)).requests[0].body)
print(f"Steps done although nobody listened to the end: {left_early}")

# %% [markdown]
# FastAPI cancels no ordinary endpoint when its visitor leaves: it runs on to its end, and its thread too. A stream is stopped.
#
# ## A thread that forgets who asked
#
# Apps often keep what belongs to a request, such as the user's name, in a **context variable**: each request sees its own value.
# Does a thread see it? It depends on how the work is handed over. There is an older way, `loop.run_in_executor(pool, function)`,
# and many examples still use it. `None` in place of the pool stands for asyncio's own.

# %%
from contextvars import ContextVar

user = ContextVar("user", default="nobody")
user.set("Ann")
loop = asyncio.get_running_loop()

kept = await asyncio.to_thread(user.get)
kept_too = await run_in_threadpool(user.get)
dropped = await loop.run_in_executor(None, user.get)
print(f"to_thread sees {kept}, run_in_threadpool sees {kept_too}, run_in_executor sees {dropped}.")

# %% [markdown]
# `run_in_executor` drops the context. Then the log names the wrong user, or none. Use `to_thread` unless you need a pool of your own.
# With a pool of your own, hand the context over yourself: `run_in_executor(pool, contextvars.copy_context().run, function)`.
#
# ## The third trap: a burst of threads
#
# The pools start empty. Each job that finds no idle thread gets a new one, until the pool is full. Starting a thread takes a moment, and the loop
# waits for it. This is how:
#
# 1. `Thread.start` makes the new thread, and then waits until that has said: *I am running.* The timeline calls this *the start of threads*.
# 2. This wait has no `await`. The thread that called `Thread.start` is the loop's, so the loop stands still.
# 3. To say *I am running*, the new thread needs the GIL. If many others are working already, it stands in their queue, and the loop with it.
#
# The next app counts in pure Python, which is the second kind of work. One path uses the pool of 40. The other has a pool of its own:
# `ThreadPoolExecutor(2)` is a pool of two threads. The lifespan gives it two short sleeps, so both threads are started before the first visitor comes.

# %%
# %%app counting.py
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    with ThreadPoolExecutor(2) as app.state.two:
        list(app.state.two.map(time.sleep, [0.05, 0.05]))
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/forty")
def count():
    return sum(n * n for n in range(600_000))

@app.get("/two")
async def two():
    return await asyncio.get_running_loop().run_in_executor(app.state.two, count)


# %%
forty = await lab.race("/forty", n=30, title="thirty counts", show=False)
two = await lab.race("/two", n=30, title="thirty counts", show=False)
lab.side_by_side(forty, two, titles=("a pool of 40", "two, started before"))
for name, race in (("40 threads", forty), ("two threads", two)):
    blocked = f"blocked for {race.blocked_seconds:.2f} s, a canary waited {race.worst_canary:.2f} s"
    print(f"{name:11} all thirty in {race.seconds:.2f} s, {blocked}")

# %% [markdown]
# On the left the lane is hatched while the threads are started, and most often it names *the start of threads*:
# the loop waits for each of them to say that it is running.
# Then all thirty compete with it for one lock. On the right nothing has to be started, and only two compete with it. The other jobs wait in a list,
# where waiting costs nothing.
#
# The short stretches on the right may name a line of Python or of a package. That is where the loop's thread was when it waited for the GIL.
# That line did nothing wrong.
#
# More threads do not make Python code faster: the totals vary with what else the machine is doing. Look at the canary instead. More threads make
# life harder for the loop. For work that *sleeps* it is the other way round: many threads are good.
# So cap the threads that compute, and start them early. That is the best that threads can do here, and it is not free:
# one thread that computes still keeps the lock for five milliseconds at a time. Lesson 08 gives such work to another process.
#
# ## When not to bother
#
# A checksum of one small text, a price from a table, a date: all of it is work. Is it worth a thread?
# The next cell does the same small job *in line*, that is, right where it is written, and in a thread. Then the gallery closes.

# %%
text = b"x" * 1000

began = time.perf_counter()
for _ in range(500):
    hashlib.sha256(text).hexdigest()
in_line = (time.perf_counter() - began) / 500

began = time.perf_counter()
for _ in range(500):
    await asyncio.to_thread(lambda: hashlib.sha256(text).hexdigest())
in_thread = (time.perf_counter() - began) / 500
print(f"In line {1e6 * in_line:.1f} µs, in a thread {1e6 * in_thread:.0f} µs.")
print(f"That is {in_thread / in_line:.0f} times as long.")
os.remove(os.environ["PHOTO"])
folder.rmdir()

# %% [markdown]
# The trip costs much more than the job. Leave it in line. A millisecond is a good limit: below it nobody can feel what you save.
# But measure with the largest input that a visitor can send, not with your own.
#
# ## What you have seen
#
# - Real work in an `async def` holds the loop for as long as it takes. An `await` would not help: there is nothing to wait for.
# - `to_thread`, `run_in_threadpool` and a `def` endpoint let another thread do it. The loop is free; the total is bounded by the cores.
# - It depends on the GIL. Pillow, bcrypt, pbkdf2 and large checksums let go of it. Python code hands it on every 5 ms.
# - A hundred thousand small checksums in a thread work, with a lag that grows with the number of threads.
# - `sorted` keeps the GIL to its end. In a thread it stalls the loop as if there were none.
# - A thread cannot be stopped, only asked. A timeout around `to_thread` leaves it at work; one of AnyIO's around `run_in_threadpool` does not fire.
#   A thread that was given up no longer counts against the limit, and it is there all the same.
# - Thirty threads that compute are worse than two. Cap them, and start them before the first visitor. And do not let `run_in_executor` forget who asked.
# - Work of some microseconds: leave it in line.
#
# ## Check yourself
#
# **1.** A colleague writes `await asyncio.to_thread(bcrypt.checkpw(password, stored))`. The login never works, and the loop is blocked. Why?
#
# <details><summary>Answer</summary>
#
# Look at the brackets. `checkpw` is called first, on the loop, and its result, `True` or `False`, is handed to the thread, which cannot call it.
# Right: `await asyncio.to_thread(bcrypt.checkpw, password, stored)`.
#
# </details>
#
# **2.** You put a regular expression into a thread, and the canary is as late as before. What do you conclude about the regular expression?
#
# <details><summary>Answer</summary>
#
# It is one call that keeps the GIL to its end. No thread will help. It needs a better expression, a limit on its input, or another process.
#
# </details>
#
# ## Further reading
#
# - Python, *Running in threads*: https://docs.python.org/3/library/asyncio-task.html#running-in-threads
# - Python, *hashlib*, on the GIL: https://docs.python.org/3/library/hashlib.html
# - Python, *Global interpreter lock*: https://docs.python.org/3/glossary.html#term-global-interpreter-lock
# - AnyIO, *Working with threads*: https://anyio.readthedocs.io/en/stable/threads.html
#
# Next: the exercise of this lesson, in the notebook `exercise_07_threads.ipynb` beside this one.
