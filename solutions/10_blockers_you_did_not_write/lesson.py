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
# > **It happened.** Clients of an API server kept getting status 502: the server stopped responding for so long that the proxy in front of it gave up.
# > Its author searched their own code for a blocking call and found none. Then a profiler showed 6.3 seconds inside `jsonable_encoder`,
# > the step in which FastAPI prepares a return value for JSON. That step runs on the event loop.
# > ([fastapi#1224](https://github.com/fastapi/fastapi/issues/1224))
#
# **About 25 minutes**, plus 15 for the sections marked "Deeper".
# You need lessons 01, *Sleeping*, 02, *Calling HTTP*, 07, *Threads*, and 09, *`def` or `async def`*.
#
# You'll see what blocks the event loop when no line of an endpoint does:
#
# - after the endpoint, while FastAPI **serialises** a large response, that is, turns Python objects into JSON text;
# - around the endpoint, in a **middleware** and in the log lines that it writes;
# - in a stream, between two chunks;
# - after the response, in a background task;
# - in a cache that stores the wrong thing;
# - *deeper:* before the endpoint, while a request body is parsed and validated; in response models and templates; and behind a lock that is never released.
#
# The next cell loads the tools of the course, and starts an HTTP service that some of the apps call.
# If it fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
# close it and start it with `./course lab`.

# %%
import os

from autograder import lab, services
# %load_ext autograder.lab
os.environ.update(services.get("upstream").environment)

# %% [markdown]
# ## A large response
#
# A warehouse returns its stock. The list is already in memory, so the endpoint has nothing to wait for.
# The query parameter `rows` limits how many of its rows are returned.

# %%
# %%app warehouse.py
from fastapi import FastAPI

STOCK = [{"number": n, "name": f"part {n}", "place": [n % 7, n % 11]} for n in range(10_000)]
app = FastAPI()


@app.get("/stock")
async def stock(rows: int = 10_000):
    return STOCK[:rows]


@app.get("/stock_in_a_thread")
def stock_in_a_thread():
    return STOCK


# %%
bad = await lab.race("/stock", n=3, title="the whole stock")
lab.diagrams.loop("json.dumps(stock)", 2 * ["GET /stock"], blocked=True, note="FastAPI serialises the response on the loop, after your function has returned.").show()
print(f"Each response has {len(bad.requests[0].body):,} characters.")

# %% [markdown]
# The endpoint is a single line, and the timeline doesn't name it. It names a line of a library, in FastAPI or in a module of Python that FastAPI calls: the loop was blocked *after* `return`, while the list became JSON.
#
# ## A prediction
#
# The second endpoint is `def`, so FastAPI runs it in a thread of its pool (lesson 09).
# How many milliseconds will the slowest canary wait while three clients request `/stock_in_a_thread`?
# Replace `None` with your number, or leave it.

# %%
guess = lab.predict("the slowest canary waits", None, "ms")
threaded = await lab.race("/stock_in_a_thread", n=3, show=False)
guess.compare(round(1000 * threaded.worst_canary))

# %% [markdown]
# Each request goes through four steps:
#
# 1. Your function runs, here in a thread, and returns the list. That takes no time at all.
# 2. FastAPI takes the list back to the event loop and walks through it, item by item, to turn it into types that JSON knows (`jsonable_encoder`).
# 3. `json.dumps` writes the text, also on the loop.
# 4. Until both are done, no other request is served.
#
# `def` moves step 1 to a thread. Steps 2 and 3 stay where they were, and they are the expensive ones.
#
# ### Your turn
#
# How many rows can a response have before it blocks the loop for 50 ms? Replace `None`, run the cell, and narrow it down.

# %%
rows = None  # for instance 1_000
tried = rows or 500
mine = await lab.race(f"/stock?rows={tried}", n=1, show=False)
longest_block = max((block.seconds for block in mine.blocked), default=0.0)
print(f"{tried:,} rows:", f"blocked for {1000 * longest_block:.0f} ms." if mine.blocked else "no block of 20 ms or more.")
print("Too many for this machine." if longest_block > 0.05 else "Below 50 ms: try more.")

# %% [markdown]
# <details><summary>What to expect</summary>
#
# The time grows with the number of rows: twice the rows, about twice the block. So the limit depends on your rows and your CPU. Here it would make
# a good default page size.
#
# </details>
#
# ## The fix: send less, or send what is ready
#
# The best fix is a smaller response. Return pages of a hundred rows; no client displays 10,000.
# Where a response has to be large, these three ways cost the loop less.

# %%
# %%app warehouse_fixed.py
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
ways = {"returned": bad, "returned, def": threaded}
for path in ("/json_response", "/ready_made", "/streamed"):
    ways[path] = await lab.race(path, n=3, show=False)
for name, race in ways.items():
    print(f"{name:15} the loop was blocked for up to {race.loop_lag:4.0f} ms at a time")
lab.side_by_side(bad, ways["/streamed"], titles=("returned", "streamed"))

# %% [markdown]
# - **`JSONResponse`** skips step 2: FastAPI doesn't inspect each item. In return you may pass only plain lists, dicts, strings and numbers.
# - **Ready-made bytes** cost almost nothing, because the work was done once, at import. Caching the bytes of a response has the same effect.
# - **A stream** serialises one chunk, sends it and lets the loop serve others before the next. Each line is a JSON document of its own,
#   a format called *JSON lines* (media type `ndjson`).
#
# Do you compress responses with `GZipMiddleware`? Since Starlette 1.4 it compresses large chunks in a thread, and zlib releases the GIL while it works.
# Earlier versions compress on the loop.
#
# ## A middleware, and its log
#
# A **middleware** is a function that runs around every request of an app: it receives the request first, passes it on with `call_next`,
# and gets the response back. This one writes a log line.
#
# In Python's `logging`, a **handler** decides where a log line goes: to a file, say, or to the terminal. This app's handler
# sends each line over HTTP to a log service.

# %%
# %%app bakery.py
import logging
import os
from logging.handlers import HTTPHandler
from urllib.parse import urlsplit

from fastapi import FastAPI

slow = HTTPHandler(urlsplit(os.environ["UPSTREAM_URL"]).netloc, "/items/log?wait=0.1")
log = logging.getLogger("bakery")
log.addHandler(slow)
log.setLevel("INFO")
app = FastAPI()


@app.middleware("http")
async def note(request, call_next):
    log.info("request for %s", request.url.path)
    return await call_next(request)


@app.get("/bread")
async def bread():
    return {"bread": "fresh"}


# %%
logged = await lab.race("/bread", n=5)
print(f"The fastest of the five requests took {logged.quickest:.2f} s.")

# %% [markdown]
# `log.info` doesn't look like **I/O**, input or output that has to be waited for. What it does depends on the handlers, and those are usually set up elsewhere.
# Because the call is in a middleware, *every* route pays for it. The canaries are requests as well, so each of them writes a log line. And even the fastest of the five requests waits for the log lines
# of those that arrived with it.
#
# Logging from a thread would be half a fix: a handler has a lock that lets one thread in at a time, so requests would wait for that lock.
# The standard library's fix is a pair of classes. `QueueHandler` only puts the line into a queue, which takes microseconds.
# `QueueListener` has one thread that takes lines out of the queue and passes them to the slow handler.
# Middleware and endpoint don't change, so the next file mounts the old app inside a new one.

# %%
# %%app bakery_fixed.py
import queue
from contextlib import asynccontextmanager
from logging.handlers import QueueHandler, QueueListener

from bakery import app as unchanged
from bakery import log, slow
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    lines = queue.SimpleQueue()
    log.removeHandler(slow)
    log.addHandler(QueueHandler(lines))
    listener = QueueListener(lines, slow)
    listener.start()
    yield
    listener.stop()


app = FastAPI(lifespan=lifespan)
app.mount("/", unchanged)


# %%
queued = await lab.race("/bread", n=5, show=False)
lab.side_by_side(logged, queued, titles=("HTTPHandler", "QueueHandler"))

# %% [markdown]
# This queue has no limit. If lines arrive faster than the log service takes them, memory grows; in production use `queue.Queue(maxsize=...)` and
# decide what to drop. Exporters of traces and error reporters have the same two forms: in OpenTelemetry a `SimpleSpanProcessor` sends when
# a span ends, a `BatchSpanProcessor` queues and sends from a thread.
#
# ## A stream of tokens
#
# A language model sends its reply token by token, and your endpoint forwards the tokens as they arrive. It passes a **generator**, a function with `yield`, to
# `StreamingResponse`. The model here is a local stub: a small server in this notebook that sends four tokens, 0.05 seconds apart, in the wire format
# of OpenAI's chat completions (*server-sent events*: lines that start with `data: `).
#
# Three generators read the stream of the stub: two with `requests`, one of them `async def` and one plain `def`, and a third with httpx.
# The last two lines give each of them an endpoint with its name.

# %%
import asyncio
import json
import re

async def stub(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    for token in ("The ", "tea ", "is ", "ready."):
        await asyncio.sleep(0.05)
        writer.write(b"data: %b\n\n" % json.dumps({"choices": [{"delta": {"content": token}}]}).encode())
    writer.write(b"data: [DONE]\n\n")
    writer.close()

model = await asyncio.start_server(stub, "127.0.0.1", 0)
os.environ["MODEL_URL"] = f"http://127.0.0.1:{model.sockets[0].getsockname()[1]}/v1/chat/completions"

# %%
# %%app chat.py
import json
import os
import httpx
import requests
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

MODEL = os.environ["MODEL_URL"]
BODY = {"stream": True, "messages": [{"role": "user", "content": "Is the tea ready?"}]}
app, client = FastAPI(), httpx.AsyncClient()
def token(line):
    data = line.removeprefix("data: ")
    return json.loads(data)["choices"][0]["delta"]["content"] if data not in ("", "[DONE]") else ""
async def blocking():
    for line in requests.post(MODEL, json=BODY, stream=True).iter_lines(1, decode_unicode=True):
        yield token(line)
def threaded():
    for line in requests.post(MODEL, json=BODY, stream=True).iter_lines(1, decode_unicode=True):
        yield token(line)
async def awaiting():
    async with client.stream("POST", MODEL, json=BODY) as reply:
        async for line in reply.aiter_lines():
            yield token(line)
for kind in (blocking, threaded, awaiting):
    app.get(f"/{kind.__name__}")(lambda kind=kind: StreamingResponse(kind()))

# %%
streams = {kind: await lab.race(f"/{kind}", n=4, show=False) for kind in ("blocking", "threaded", "awaiting")}
for kind, race in streams.items():
    print(f"{kind:9} {race.requests[0].body!r}: four streams in {race.seconds:.2f} s, blocked for {race.blocked_seconds:.2f} s")
lab.side_by_side(streams["blocking"], streams["awaiting"], titles=("async def, never awaits", "async def, awaits"))

# %% [markdown]
# - `blocking` is `async def` and never awaits. It runs on the loop, so the loop is blocked from one token to the next. A `yield` isn't an `await`:
#   it passes a chunk to Starlette, which sends it without waiting and requests the next one at once.
# - `threaded` is a plain generator. Starlette runs each step in the thread pool of `def` endpoints, so every stream needs one of its 40 threads per chunk.
# - `awaiting` gives the loop back while it waits for a token. Waiting for tokens is **I/O-bound** work, and this is the form that scales.
#
# An SDK follows the same rule: its synchronous client blocks in the `for` loop over the tokens, its async client needs `async for`.
#
# ## A background task
#
# A **background task** is a function that FastAPI runs after the response has been sent, for example to send an email.
# It can't delay its own response. Which request does it delay?

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
print(f"The order took {mailed.requests[0].seconds:.2f} s. The slowest canary waited {mailed.worst_canary:.2f} s.")

# %% [markdown]
# The *next* requests pay. They are the ones that show up as slow in your monitoring, although all they did was ask for the opening hours.
#
# ### Your turn
#
# One keyword decides where a background task runs. Which line should stand in place of `async def send_mail():`? Replace `None` with it, in quotes. Before you run the cell, predict how long the slowest canary will wait now.

# %%
from pathlib import Path

line = None  # a string: the new first line of send_mail
source = Path("tailor.py").read_text()
Path("tailor_changed.py").write_text(source.replace("async def send_mail():", line or "async def send_mail():"))
app = lab.serve("tailor_changed.py")
changed = await lab.race(["/order"] + 4 * ["/hours"], show=False)
print("The loop is free while the mail is sent." if changed.blocked_seconds < 0.25 else "send_mail still blocks the loop.")
print(f"The slowest canary waited {mailed.worst_canary:.2f} s before and {changed.worst_canary:.2f} s now.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# `"def send_mail():"`. Starlette, the framework that FastAPI is built on, runs a plain function in its thread pool and awaits an `async def` on the loop.
# The other fix keeps `async def` and awaits everything inside it, here `await asyncio.sleep(0.5)`.
#
# </details>
#
# ## A cache
#
# An exchange rate takes 0.05 seconds to fetch and stays the same all day, so it's cached. The next app caches it in two ways: with `lru_cache`, which stores what a
# function returns, and in a dictionary. `/fetched` says how often the rate was fetched for the dictionary.

# %%
# %%app bank.py
import asyncio
from functools import lru_cache

from fastapi import FastAPI

app, rates, fetched = FastAPI(), {}, []

@lru_cache
async def rate():
    await asyncio.sleep(0.05)
    return 1.25

@app.get("/lru_cache")
async def with_lru_cache():
    return await rate()

@app.get("/dictionary")
async def with_dictionary():
    if "rate" not in rates:
        fetched.append("rate")
        await asyncio.sleep(0.05)
        rates["rate"] = 1.25
    return rates["rate"]

app.get("/fetched")(lambda: len(fetched))

# %%
cached = await lab.race("/lru_cache", n=2, show=False)
print("lru_cache:", [request.status for request in cached.requests], cached.errors[0].message)
together = await lab.race("/dictionary", n=4, show=False)
fetches = int((await lab.race("/fetched", n=1, show=False)).requests[0].body)
print(f"dictionary: {[request.status for request in together.requests]}, fetched {fetches} times")

# %% [markdown]
# `lru_cache` stored the **coroutine**, the **awaitable** object that calling an `async def` returns, and not its result. A coroutine can be awaited only
# once, so the second request fails. Around a plain function that calls a service, `lru_cache` does work, but every miss blocks the loop.
#
# The dictionary stores the result, but too late: four clients that came at the same moment all found it empty, and all four fetched. If the rate has to be fetched *once*,
# the first request has to store something before it awaits, so that the others can wait for that fetch.
# That can be an `asyncio.Task`, since many can await the same task, or a lock for each key.
#
# ## When not to bother
#
# Most responses and request bodies are small. A body of 100 parts or a page of 100 rows, both measured in the sections marked "Deeper", blocks for less than 20 ms, the shortest block that a race reports.
# Before you change anything, measure yours, as you did in the first "Your turn".
#
# The core of the lesson ends here; the sections marked *Deeper* are optional.
#
# ## Deeper: a request body, and a validator
#
# Incoming data goes through the same steps in reverse: FastAPI parses the JSON, and pydantic validates it, on the loop, before your endpoint starts.
# The next app receives deliveries. One endpoint takes long lists, one limits the size of the body, and one has a **validator**, a function
# of yours that pydantic calls for a field. This validator checks a supplier's name by calling another service, the course's HTTP service, which takes
# 0.1 seconds to reply.

# %%
# %%app office.py
import os
import requests
from fastapi import FastAPI
from pydantic import BaseModel, field_validator

class Part(BaseModel):
    number: int
    name: str

class Delivery(BaseModel):
    supplier: str

    @field_validator("supplier")
    def must_exist(cls, name):
        requests.get(f"{os.environ['UPSTREAM_URL']}/items/{name}?wait=0.1").raise_for_status()
        return name

app = FastAPI()
@app.post("/deliveries")
async def receive(delivery: Delivery):
    return {"accepted": delivery.supplier}
@app.post("/parts")
async def count(parts: list[Part]):
    return len(parts)
app.post("/parts_limited", max_body_size=100_000)(count)

# %%
many = [{"number": n, "name": f"part {n}"} for n in range(40_000)]
posted = {
    "a validator": await lab.race("/deliveries", n=3, method="POST", json={"supplier": "oak"}, show=False),
    "40,000 parts": await lab.race("/parts", n=3, method="POST", json=many, show=False),
    "the same, limited": await lab.race("/parts_limited", n=3, method="POST", json=many, show=False),
    "100 parts": await lab.race("/parts", n=3, method="POST", json=many[:100], show=False),
}
for name, race in posted.items():
    yours = race.worst_block.place if race.worst_block and race.worst_block.in_app else "none"
    print(f"{name:17} status {race.requests[0].status}, loop blocked for up to {race.loop_lag:4.0f} ms, line of yours: {yours}")

# %% [markdown]
# The validator is your own line, so the race names it. The three deliveries went through it one after the other, and nothing in the endpoint shows it.
# Keep validators to what the data itself can tell. A check that needs the network belongs in the endpoint or in a dependency, where you can `await` it.
#
# For the long list no line of yours is named, because parsing and validating it are library code. `max_body_size` refuses bodies of more bytes
# with status 413, *Content Too Large*. It works for one route, as here, or for the whole app (`FastAPI(max_body_size=...)`). Older versions of FastAPI don't have
# it; there the proxy in front of the app has to set the limit.
#
# ## Deeper: which thread validates a response?
#
# A **response model** says what an endpoint returns: a pydantic class after the arrow. pydantic validates the return value against it and serialises it.
# Each method in the next models records the thread that it runs in.

# %%
# %%app threads.py
from threading import current_thread
from fastapi import FastAPI
from pydantic import BaseModel, field_serializer, field_validator

class Note(BaseModel):
    validated_in: str
    @field_validator("validated_in")
    def thread_name(cls, value):
        return current_thread().name

class Reply(Note):
    request_validated_in: str
    serialised_in: str = ""
    @field_serializer("serialised_in")
    def thread_name_now(self, value):
        return current_thread().name

app = FastAPI()
@app.post("/async_def")
async def on_the_loop(note: Note) -> Reply:
    return {"validated_in": "", "request_validated_in": note.validated_in}
@app.post("/def")
def in_the_pool(note: Note) -> Reply:
    return {"validated_in": "", "request_validated_in": note.validated_in}

# %%
where = {}
for path in ("/async_def", "/def"):
    race = await lab.race(path, n=1, method="POST", json={"validated_in": ""}, show=False)
    where[path] = json.loads(race.requests[0].body)
    print(path, where[path])

# %% [markdown]
# So `def` changes more than where your function runs: a `def` endpoint's response model is validated in the thread pool as well, so the request needs one of
# the 40 threads a second time. If slow `def` endpoints hold all 40, a response that is ready still waits for a thread before it can be validated.
# The request body is validated on the loop in both cases, and so is the response serialised.
#
# ## Deeper: response models and templates, measured
#
# A response model also makes serialising faster, because pydantic's core isn't written in Python. The next app returns the stock with one.
# Its second endpoint renders a **template**, text with gaps that **jinja2** fills in. Rendering is **CPU-bound**: it computes, and waits for nothing.

# %%
# %%app pages.py
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Template
from pydantic import BaseModel
from warehouse import STOCK

app = FastAPI()
page = Template("<ul>{% for part in parts %}<li>{{ part.number }}: {{ part.name | e }}</li>{% endfor %}</ul>")


class Part(BaseModel):
    number: int
    name: str
    place: list[int]


@app.get("/declared")
async def declared() -> list[Part]:
    return STOCK


@app.get("/page")
async def show(rows: int):
    return HTMLResponse(page.render(parts=(3 * STOCK)[:rows]))


# %%
declared = await lab.race("/declared", n=3, show=False)
print(f"Without a response model: blocked for {bad.blocked_seconds:.2f} s in all. With one: {declared.blocked_seconds:.2f} s.")
pages = {rows: await lab.race(f"/page?rows={rows}", n=3, show=False) for rows in (30_000, 100)}
for rows, race in pages.items():
    print(f"A page of {rows:6,} rows: blocked for up to {race.loop_lag:.0f} ms at a time.")

# %% [markdown]
# A thread helps rendering only in part, because a template becomes Python code that shares the GIL with the loop (lesson 07). Render fewer rows.
#
# ## Deeper: blocked for good
#
# So far, every block ended by itself. Two of the next three endpoints can block forever.
#
# - `/lock` takes a lock from `threading` and awaits while it holds it.
# - `/result` passes a coroutine to the loop with `run_coroutine_threadsafe`, as a thread would. That returns a **future**, an object that will
#   hold a result later. `.result()` waits until it does.
# - `/queue` waits for a job, and gives up after 0.2 seconds.

# %%
# %%app vault.py
import asyncio
import queue
import threading
from fastapi import FastAPI

app, lock, jobs = FastAPI(), threading.Lock(), queue.Queue()

@app.get("/lock")
async def with_lock():
    with lock:
        await asyncio.sleep(0.05)

@app.get("/result")
async def with_result():
    return asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), asyncio.get_running_loop()).result()

@app.get("/queue")
async def with_queue():
    try:
        return jobs.get(timeout=0.2)
    except queue.Empty:
        return "no job"

# %% [markdown]
# ### Your turn
#
# How many clients at once does `/lock` serve before it stops working? Replace `None` with the smallest number that you expect to fail.
# Each race starts with a fresh app. `limit=3` ends a race after three seconds and counts unfinished requests as failed.

# %%
clients, served = None, {}
for n in sorted({1, 2, clients or 1}):
    app = lab.serve("vault.py")
    served[n] = sum(request.ok for request in (await lab.race("/lock", n=n, limit=3, show=False)).requests)
    print(f"/lock, {n} at once: {served[n]} served")
app = lab.serve("vault.py")
jobless = await lab.race("/queue", n=3, show=False)
stuck = await lab.race("/result", n=1, limit=3, show=False)
print(f"/queue, 3 at once: {sum(request.ok for request in jobless.requests)} served, in {jobless.seconds:.2f} s")
print(f"/result, 1 at once: {sum(request.ok for request in stuck.requests)} served")
print("The last canary was", "answered." if stuck.canaries[-1].answered else "never answered.")

# %% [markdown]
# With one client the lock works, and so does every test that uses one client. With two:
#
# 1. The first takes the lock and awaits. The loop switches to the second.
# 2. The second wants the lock. A lock from `threading` suspends the whole thread, and the loop runs in that thread.
# 3. The first would release the lock as soon as the loop resumed it. The loop is suspended at step 2.
#
# This is a **deadlock**, and only a restart ends it. Use one `asyncio.Lock()` for the app and `async with lock:`, which suspends only the task.
#
# `.result()` waits *on* the loop for something that only the loop can do. Await instead: `asyncio.wrap_future` turns such a future into an awaitable.
#
# `queue.Queue.get()` and `thread.join()` wait in the same way, if only until the job arrives. The counterpart of the queue is `asyncio.Queue`. It isn't **thread-safe**
# (safe to use from several threads at once), so if a thread is at the other end, keep the `queue.Queue` and take the wait off the loop: `await asyncio.to_thread(jobs.get)`.
#
# ## Deeper: more lines that run on the loop
#
# All of these were reported for real services. None of them is in an endpoint's own code.
#
# | where | what blocks | what to do |
# |---|---|---|
# | an `import` inside a function | the first call loads the module, on the loop | import at the top, or in the lifespan |
# | an `async def` dependency that checks a token | a synchronous fetch of the signing keys (JWKS) | one shared async client, and a cache that outlives the request |
# | a validator or a URL type of your own | DNS: `socket.getaddrinfo` blocks | check in the endpoint, with `await loop.getaddrinfo(...)` |
# | a WebSocket handler's `while True:` | computing or a synchronous read between two messages | await the read, move the computation to a thread or a process |
# | sqlite in `async def` | a write waits for another connection's lock, up to its timeout of 5 s; a longer timeout blocks longer | `to_thread`, or aiosqlite |
# | an exporter or error reporter | it sends while the request is handled | the batching variant |
#
# ## What you have seen
#
# - FastAPI serialises a large response on the loop, after your `return`, for `async def` and `def` alike. Send less, send ready-made bytes, or stream.
# - A middleware runs for every request, and a log line waits for its handlers. A `QueueHandler` and a `QueueListener` take that wait off the loop.
# - An `async def` generator that never awaits blocks between its chunks. A plain generator runs in threads.
# - A background task that blocks delays the next requests.
# - `lru_cache` around an `async def` stores coroutines. If a dictionary is filled only after an `await`, every request that arrives before that fetches as well.
# - Leave small responses as they are.
# - *Deeper:* a request body is parsed and validated on the loop before your endpoint starts, by your own validators too. Limit its size, and keep network calls out of validators.
#   A lock from `threading` held across an `await`, and `.result()` on the loop, block for good.
#
# ## Check yourself
#
# **1.** Your endpoint returns 40 MB of JSON, made by `json.dumps` in `asyncio.to_thread`, as ready bytes. Is the loop free?
#
# <details><summary>Answer</summary>
#
# No. `json.dumps` is one long call that holds the GIL to its end, in whichever thread it runs. Lesson 08 has the tools.
# Better: don't produce 40 MB per request. Produce them once and cache them, or produce them piece by piece.
#
# </details>
#
# **2.** A colleague adds a middleware that reads a small file for each request, and the file is on a network share.
# Which requests become slow on the day the share is slow?
#
# <details><summary>Answer</summary>
#
# All of them, including those that have nothing to do with the file and those already in progress: the middleware blocks the loop on every request.
#
# </details>
#
# ## Words of this lesson
#
# - **serialise**: to turn objects into text or bytes, here into JSON. The reverse is to *parse* or *deserialise*.
# - **validator**: a function of yours that checks one field of incoming data. pydantic calls it on the thread that validates, which for a request body is the loop's.
# - **middleware**: code that runs around every request of an app.
# - **handler**: the part of Python's `logging` that writes or sends a log line.
# - **background task**: a function that runs after the response has been sent.
# - **awaitable**: an object that `await` accepts: a coroutine, a task, a future.
# - **future**: an object that will hold a result later; awaiting it, or calling `.result()`, waits for that.
# - **thread-safe**: correct even when several threads use it at the same time.
# - **deadlock**: two tasks or threads that wait for each other, so neither can go on.
#
# ## Further reading
#
# - FastAPI, *Custom responses*: https://fastapi.tiangolo.com/advanced/custom-response/
# - Python, *Dealing with handlers that block*: https://docs.python.org/3/howto/logging-cookbook.html#dealing-with-handlers-that-block
# - Starlette, *Background tasks*: https://starlette.dev/background/
# - Python, *Synchronization primitives* of asyncio: https://docs.python.org/3/library/asyncio-sync.html
#
# Next: the exercise, in the notebook `exercise_10_blockers_you_did_not_write.ipynb` next to this one.
# It has five apps, and in none of them does the endpoint itself block.
