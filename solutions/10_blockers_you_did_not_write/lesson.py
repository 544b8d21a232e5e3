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
# # Blockers you did not write
#
# This lesson takes about 25 minutes. You need lessons 01, 02 and 07, and from lesson 09 the difference between `def` and `async def`.
#
# You will see the loop stand still where no line of an endpoint is to blame:
#
# - while a large answer becomes JSON, a large question is read and checked, or a long page is made;
# - in a **middleware**, code that runs around every request, and in a log that nobody thinks of;
# - in a stream, an answer that is sent in pieces, between two of them;
# - in a background task, after the answer has been sent;
# - before a lock, a queue, or a result that is still to come, where it may stand still for good.
#
# You will also see why a cache that keeps coroutines breaks, and when not to bother.
#
# You can go through your endpoints line by line and find nothing that waits. The app stands still all the same.
# Much of what runs on the loop is not in your endpoints. Some of it is in your file, some in FastAPI, some in a library that logs.
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
# A warehouse answers with the list of its stock. Everything is in memory. There is nothing to wait for.

# %%
# %%app warehouse.py
from fastapi import FastAPI

STOCK = [{"number": n, "name": f"part {n}", "place": [n % 7, n % 11]} for n in range(10_000)]
app = FastAPI()


@app.get("/stock")
async def stock():
    return STOCK


@app.get("/stock_in_a_thread")
def stock_in_a_thread():
    return STOCK


# %%
bad = await lab.race("/stock", n=3, title="the whole stock")
print(f"Each answer has {len(bad.requests[0].body):,} letters. Another guest waited {1000 * bad.worst_canary:.0f} ms at worst.")
print("Who blocked the loop:", bad.worst_block.cause)

# %% [markdown]
# The endpoint is one line, and that line did not block. The picture names a line of FastAPI or of Python.
# It belongs to what happens *after* `return`: the list becomes JSON.
#
# ## A prediction
#
# The second endpoint is `def`. FastAPI runs it in a thread, as you know from lesson 09.
# How many milliseconds will another guest wait at worst, when three guests ask for `/stock_in_a_thread`?
# Write your number in the place of `None`, or leave it.

# %%
guess = lab.predict("another guest waits at worst", None, "ms")

# %%
threaded = await lab.race("/stock_in_a_thread", n=3, show=False)
guess.beside(round(1000 * threaded.worst_canary))

# %% [markdown]
# ## Who waited for whom
#
# 1. Your function ran, in a thread, and returned the list. That took no time at all.
# 2. FastAPI took the list back to the loop. There it went through all of it, part by part, to turn it into things that JSON knows.
# 3. Then it wrote the JSON, letter by letter.
# 4. Meanwhile the loop answered nobody. `def` changes where *your function* runs and, here, nothing else.
#
# ## The repair: answer with less, or with what is ready
#
# The best repair is a smaller answer: pages of a hundred parts. Nobody reads 10,000.
#
# Where the answer must be large, there are ways that cost the loop less. The first is to say what you answer with:
# a **response model**, a class of pydantic's that stands behind the arrow.

# %%
# %%app warehouse_declared.py
from fastapi import FastAPI
from pydantic import BaseModel
from warehouse import STOCK

app = FastAPI()


class Part(BaseModel):
    number: int
    name: str
    place: list[int]


@app.get("/declared")
async def declared() -> list[Part]:
    return STOCK


# %%
ways = {"returned": bad, "returned, def": threaded}
ways["/declared"] = await lab.race("/declared", n=3, show=False)
print(f"Returned: the loop was blocked for {bad.blocked_seconds:.2f} s in all. Declared: {ways['/declared'].blocked_seconds:.2f} s.")

# %% [markdown]
# With a model the same list is checked and turned into JSON by pydantic, whose core is not written in Python and is quicker. But all of it
# still happens on the loop, in one go. Here are three other ways.

# %%
# %%app warehouse_repaired.py
import json

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse
from warehouse import STOCK

READY = json.dumps(STOCK).encode()
app = FastAPI()

def lines():
    for start in range(0, len(STOCK), 500):
        yield "".join(json.dumps(part) + "\n" for part in STOCK[start : start + 500])

@app.get("/json_response")
async def json_response():
    return JSONResponse(STOCK)

@app.get("/ready_made")
async def ready_made():
    return Response(READY, media_type="application/json")

@app.get("/streamed")
async def streamed():
    return StreamingResponse(lines(), media_type="application/x-ndjson")

# %%
for path in ("/json_response", "/ready_made", "/streamed"):
    ways[path] = await lab.race(path, n=3, show=False)
for name, race in ways.items():
    print(f"{name:15} the loop stood still for {race.loop_lag:4.0f} ms at a time")
lab.side_by_side(bad, ways["/streamed"], titles=("returned", "streamed"))

# %% [markdown]
# - **`JSONResponse`** skips the second step of the list above: FastAPI does not look at each part. What you give it must be plain lists, texts and numbers.
# - **Bytes that are ready** cost next to nothing. The work was done once, when the file was imported. A cache, which keeps answers for later, does the same.
# - **A stream** makes a piece, sends it, and lets others in between. Each line is a piece of JSON of its own; this format is called *JSON lines*
#   (the `ndjson` in the code is its name on the web).
#
# Do you compress your answers, with `GZipMiddleware`? From Starlette 1.4 on it compresses large pieces in a thread, and zlib lets go of the GIL meanwhile.
# Older versions compress them on the loop.
#
# ## What comes in, and pages of HTML
#
# The same holds for what comes in. Somebody delivers 20,000 parts, and FastAPI checks that each is a `Part`.
# And it holds for a page: a **template** is a text with gaps, and **jinja2** fills them in.
# `max_body_size` refuses a body of more bytes than that. It can be set for one route, as here, or for the whole app: `FastAPI(max_body_size=...)`.
# An older FastAPI does not have it; there the proxy in front of the app must set the limit.

# %%
# %%app office.py
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Template
from warehouse_declared import STOCK, Part

app = FastAPI()
page = Template("<ul>{% for part in parts %}<li>{{ part.number }}: {{ part.name | e }}</li>{% endfor %}</ul>")

@app.post("/parts")
async def receive(parts: list[Part]):
    return len(parts)

@app.post("/parts_limited", max_body_size=100_000)
async def receive_a_little(parts: list[Part]):
    return len(parts)

@app.get("/page")
async def show(rows: int):
    return HTMLResponse(page.render(parts=(2 * STOCK)[:rows]))


# %%
many = [{"number": n, "name": f"part {n}", "place": [n % 7, n % 11]} for n in range(20_000)]
posted = {
    "20,000 parts": await lab.race("/parts", n=3, method="POST", json=many, show=False),
    "the same, limited": await lab.race("/parts_limited", n=3, method="POST", json=many, show=False),
    "100 parts": await lab.race("/parts", n=3, method="POST", json=many[:100], show=False),
    "a page of 20,000": await lab.race("/page?rows=20000", n=3, show=False),
    "a page of 100": await lab.race("/page?rows=100", n=3, show=False),
}
for name, race in posted.items():
    cause = race.worst_block.cause if race.worst_block else "nobody for long"
    print(f"{name:18} status {race.requests[0].status}, the loop stood still for {race.loop_lag:4.0f} ms at a time: {cause}")

# %% [markdown]
# No line of yours is named for the large body: reading and checking it is over before your endpoint begins. A `def` endpoint does not change that.
# The limit answers with status 413, *content too large*. The page is made in a line of yours, in `render`. A thread helps there only in part:
# a template becomes Python code, and that shares the GIL with the loop (lesson 07). Fewer rows are the repair.
#
# ## A middleware, and a log
#
# A **middleware** is a function that runs around every request of an app: it gets the request first, hands it on with `call_next`,
# and gets the answer back. The next one writes a line to a log.
#
# What becomes of a line is decided by a **handler** of Python's `logging`. One writes to a file, another to the screen. Ours sends each line
# over HTTP to another service. Here that is the course's upstream, which takes 0.1 seconds for it.

# %%
import os

from autograder import services

os.environ.update(services.get("upstream").environment)

# %%
# %%app bakery.py
import logging
import os
from logging.handlers import HTTPHandler
from urllib.parse import urlsplit

from fastapi import FastAPI

host = urlsplit(os.environ["UPSTREAM_URL"]).netloc
log = logging.getLogger("bakery")
log.addHandler(HTTPHandler(host, "/items/log?wait=0.1"))
log.setLevel("INFO")
app = FastAPI()


@app.middleware("http")
async def note(request, call_next):
    log.info("somebody asks for %s", request.url.path)
    return await call_next(request)


@app.get("/bread")
async def bread():
    return {"bread": "fresh"}


# %%
logged = await lab.race("/bread", n=5)
print(f"The quickest of the five took {logged.quickest:.2f} s. The line that blocked:", logged.worst_block.code)

# %% [markdown]
# `log.info` looks as if it could not wait for anything. What it does depends on the handlers, and those are set up elsewhere,
# often by somebody else. And because it stands in a middleware, *every* **route** (a path of the app, with its endpoint) pays for it.
# The canaries are logged like everybody else, and even the quickest guest waits for the lines of those who came at the same time.
#
# A thread for each line would be half a repair: a handler has a lock, and lets in one thread at a time. Guests would queue there.
#
# Python's own repair is a pair. A `QueueHandler` only puts the line into a queue, which takes no time.
# A `QueueListener` has a thread that takes the lines out and gives them to the slow handler.

# %%
# %%app bakery_repaired.py
import logging
import os
import queue
from contextlib import asynccontextmanager
from logging.handlers import HTTPHandler, QueueHandler, QueueListener
from urllib.parse import urlsplit

from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    host = urlsplit(os.environ["UPSTREAM_URL"]).netloc
    lines = queue.SimpleQueue()
    log.addHandler(QueueHandler(lines))
    listener = QueueListener(lines, HTTPHandler(host, "/items/log?wait=0.1"))
    listener.start()
    yield
    listener.stop()

log = logging.getLogger("bakery")
log.setLevel("INFO")
app = FastAPI(lifespan=lifespan)
# in the next cell: the middleware and the endpoint, as before

# %% [markdown]
# A cell is a file, and this file still lacks its middleware and its endpoint. They are unchanged, so we add them from here.

# %%
from pathlib import Path

before, after = Path("bakery.py"), Path("bakery_repaired.py")
unchanged = before.read_text().partition("@app.middleware")
after.write_text(after.read_text() + "\n" + unchanged[1] + unchanged[2])
app = lab.serve(after)

# %%
queued = await lab.race("/bread", n=5, show=False)
lab.side_by_side(logged, queued, titles=("HTTPHandler", "QueueHandler"))

# %% [markdown]
# ## A stream
#
# An endpoint can answer piece by piece: it gives a **generator**, a function with `yield`, to `StreamingResponse`.
# There are two kinds, and the difference is one word.

# %%
# %%app clock.py
import time

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()


async def async_ticks():
    for _ in range(3):
        time.sleep(0.1)
        yield "tick "


def plain_ticks():
    for _ in range(3):
        time.sleep(0.1)
        yield "tick "


@app.get("/ticks/{kind}")
async def ticks(kind: str):
    return StreamingResponse(async_ticks() if kind == "async" else plain_ticks())


# %%
async_stream = await lab.race("/ticks/async", n=4, show=False)
plain_stream = await lab.race("/ticks/plain", n=4, show=False)
lab.side_by_side(async_stream, plain_stream, titles=("async def, never awaits", "def"))

# %% [markdown]
# The generator on the left is `async` and has no `await`. It runs on the loop, and blocks between its pieces.
# A `yield` is not an `await`, and sending a small piece takes no waiting. So nobody gets a turn until the whole stream is done.
# The one on the right is plain, so each piece is made in a thread of the pool that `def` endpoints use.
#
# ## A background task
#
# A **background task** is a function that FastAPI runs when the answer has been sent: to send a mail, or to write an entry in a log.
# So it cannot make that answer late. Whom does it hold up, then?

# %%
# %%app tailor.py
import time

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


async def send_mail():
    time.sleep(0.5)


@app.get("/order")
async def order(later: BackgroundTasks):
    later.add_task(send_mail)
    return {"ordered": True}


@app.get("/hours")
async def hours():
    return {"open": "9 to 5"}


# %%
mailed = await lab.race(["/order"] + 4 * ["/hours"])
print(f"The slowest of the four who asked for the hours waited {max(r.seconds for r in mailed.requests[1:]):.2f} s.")
print(f"Another guest waited {mailed.worst_canary:.2f} s at worst.")

# %% [markdown]
# The *next* guests pay. In the list of slow requests they are the ones you find, and they did nothing but ask for the opening hours.
# Write such a task as a plain `def`: then Starlette, the package that FastAPI is built on, runs it in a thread. Or await in it.
#
# ## Standing still for good
#
# What you have seen so far costs time, and then it goes on. The next app has three endpoints. Two of them may never go on.
#
# - `/lock` takes a lock from `threading` and awaits while it holds it.
# - `/result` hands a coroutine to the loop with `run_coroutine_threadsafe`, as a thread would. That gives back a **future**: an object that will
#   hold the result. `.result()` waits until it does.
# - `/cache` uses `lru_cache`, which remembers results, to keep what an `async def` function gives.
#
# `limit=3` ends a race after three seconds. Whoever has no answer by then counts as failed.

# %%
# %%app bank.py
import asyncio
import threading
from functools import lru_cache

from fastapi import FastAPI

app, lock = FastAPI(), threading.Lock()

@app.get("/lock")
async def with_lock():
    with lock:
        await asyncio.sleep(0.05)

@app.get("/result")
async def with_result():
    return asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), asyncio.get_running_loop()).result()

@lru_cache
async def rate():
    await asyncio.sleep(0.05)

@app.get("/cache")
async def with_cache():
    return await rate()

# %%
one = await lab.race("/lock", n=1, show=False)
two = await lab.race("/lock", n=2, limit=3, show=False)
print("One guest:", "answered." if one.requests[0].ok else "never answered.")
print("Two guests, after three seconds:", sum(request.ok for request in two.requests), "answered.")

# %% [markdown]
# With one guest the lock works. All tests with one guest pass. With two:
#
# 1. The first takes the lock, and awaits. The loop goes on to the second.
# 2. The second wants the lock. A lock from `threading` makes the whole thread wait, and the loop runs in that thread.
# 3. The first could give the lock back, if the loop came back to it. It does not: it stands still at point 2.
#
# This app is dead until somebody restarts it. The repair: make one `lock = asyncio.Lock()` for the app, and write `async with lock:`.
# There only the one task waits, and the loop goes on.

# %%
app = lab.serve("bank.py")
stuck = await lab.race("/result", n=1, limit=3, show=False)
print("The guest of /result:", "answered." if stuck.requests[0].ok else "not answered after three seconds.")
print("The last canary:", "answered." if stuck.canaries[-1].answered else "not answered either.")

# %% [markdown]
# `.result()` waits for something that only the loop can do, and it waits *on* the loop.
# Await instead: `asyncio.wrap_future` turns such a future into one that can be awaited.
#
# A `queue.Queue` waits in the same way, and so does `thread.join()`. Here nobody puts a job into the queue, and both endpoints give up
# after 0.2 seconds. The second uses the queue of asyncio.

# %%
# %%app jobs.py
import asyncio
import queue

from fastapi import FastAPI

app, jobs, awaited_jobs = FastAPI(), queue.Queue(), asyncio.Queue()

@app.get("/queue")
async def blocking():
    try:
        return jobs.get(timeout=0.2)
    except queue.Empty:
        return "no job"

@app.get("/asyncio_queue")
async def repaired():
    try:
        async with asyncio.timeout(0.2):
            return await awaited_jobs.get()
    except TimeoutError:
        return "no job"

# %%
waiting = await lab.race("/queue", n=3, show=False)
awaiting = await lab.race("/asyncio_queue", n=3, show=False)
lab.side_by_side(waiting, awaiting, titles=("queue.Queue", "asyncio.Queue"))

# %% [markdown]
# Where the other end is a thread, an `asyncio.Queue` will not do, for it is not safe across threads. Keep the `queue.Queue` then, and take the wait off the loop:
# `await asyncio.to_thread(jobs.get)`. The same goes for `thread.join`.
#
# Back to the bank. Its third endpoint does not block. It shows another thing that one meets on the way.

# %%
app = lab.serve("bank.py")
cached = await lab.race("/cache", n=2, show=False)
print([request.status for request in cached.requests], cached.errors[0]["message"])

# %% [markdown]
# `lru_cache` kept the **coroutine**, and not what it returns. A coroutine can be awaited only once. The second guest gets an error.
# Around a plain function that asks a service, `lru_cache` blocks the loop whenever it does not know the answer yet.
# Keep the answer yourself, in a dictionary, behind an `await`.
#
# ## When not to bother
#
# A small answer becomes JSON in no time. A page of HTML of the usual length held up nobody above. Measure it, as here, before you change anything.

# %%
import json
import time

page = [{"number": n, "name": f"part {n}"} for n in range(20)]
began = time.perf_counter()
for _ in range(1000):
    json.dumps(page)
small = (time.perf_counter() - began) / 1000
print(f"An answer of {len(json.dumps(page)):,} letters takes {1e6 * small:.0f} µs.")

# %% [markdown]
# ## What you have seen
#
# - A large answer becomes JSON on the loop, after your `return`, whether the endpoint is `def` or not. Answer with less, with ready-made bytes, or with a stream.
#   A response model makes it quicker.
# - A large body is read and checked on the loop, before your endpoint begins. Set a limit. A long page is made in one go, too.
# - A middleware runs for everybody. A log line waits for its handlers. A queue and a listener take that off the loop.
# - An `async def` generator that never awaits blocks between its pieces. A plain one runs in threads.
# - A background task that blocks makes the next guests wait.
# - A lock from `threading` held across an `await` stops the app for good, and one guest alone does not show it. A `.result()` on the loop stops it
#   with the first guest. A `queue.Queue` blocks for as long as it is empty.
# - `lru_cache` around an `async def` keeps coroutines, and whoever awaits one a second time gets an error.
# - Small answers: leave them.
#
# ## Check yourself
#
# **1.** Your endpoint answers with 40 MB of JSON, made by `json.dumps` in `asyncio.to_thread`, as ready bytes. Is the loop free?
#
# <details><summary>Answer</summary>
#
# No. `json.dumps` is one long call that keeps the GIL, Python's one big lock, to its end, in whichever thread it runs. Lesson 08 has the tools.
# Better: do not make 40 MB for each guest. Make them once and keep them, or make them piece by piece.
#
# </details>
#
# **2.** Somebody added a middleware that reads a small file for each request, and the file lies on a network share.
# Which requests become slow on the day the share is slow?
#
# <details><summary>Answer</summary>
#
# All of them: also those that have nothing to do with the file, and those that are already under way.
# It blocks the loop at every request.
#
# </details>
#
# ## Further reading
#
# - FastAPI, *Custom responses*: https://fastapi.tiangolo.com/advanced/custom-response/
# - Python, *Dealing with handlers that block*: https://docs.python.org/3/howto/logging-cookbook.html#dealing-with-handlers-that-block
# - Starlette, *Background tasks*: https://starlette.dev/background/
# - Python, *Synchronization primitives* of asyncio: https://docs.python.org/3/library/asyncio-sync.html
#
# Next: the exercise of this lesson, in the notebook `exercise_10_blockers_you_did_not_write.ipynb` beside this one.
# It has four endpoints, and in none of them does the endpoint itself block.
