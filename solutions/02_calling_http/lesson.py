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
# # Calling HTTP
#
# > **It happened.** Inside a coroutine, AgentArea's API fetched catalogues from other hosts with `urllib.request.urlopen` and a timeout of 120 seconds.
# > One slow catalogue froze the whole process, including the health endpoint. The liveness probe failed, and Kubernetes killed the pod after about 90 seconds,
# > before the fetch could even time out. ([agentarea#436](https://github.com/agentarea/agentarea/pull/436))
#
# **About 30 minutes**, plus 15 for the sections marked "Deeper". You need lesson 01, *Sleeping*: why a blocking call on the event loop
# makes every client wait, and what `def` endpoints and `await` do about it.
#
# You'll see
#
# - what `requests.get` in an `async def` endpoint does to clients that want something else;
# - the fix: one `httpx.AsyncClient` for the whole app, and the same race again;
# - upstream calls that run one after the other although the loop is free;
# - a trap in the fix, a client that's created in the wrong place;
# - what timeouts are for, and how to keep `requests` if you have to.
#
# You'll meet `async with` and `async for` from here on. `with` opens something and closes it at the end of its block, whatever happens in between.
# If opening or closing has to be awaited, it's `async with`; if the next item of a loop has to be awaited, it's `async for`.
#
# The next cell loads the tools of the course. If it fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## An upstream service
#
# Almost every app calls other services: for a price, a map, a text from a language model. A service that an app calls is its **upstream**.
# Ours is a small HTTP service that knows prices. It runs in a process of its own on this machine, and a query parameter tells it how long to take:
# `/items/scarf?wait=0.2` responds after 0.2 seconds, no matter how many requests it's handling.
#
# The next cell starts it and puts its address into an environment variable, where the apps will find it.

# %%
import os

import httpx

from autograder import services

upstream = services.get("upstream")
os.environ.update(upstream.environment)
print("A response of the upstream:", httpx.get(f"{upstream.url}/items/scarf?wait=0.2").json())

# %% [markdown]
# ## A slow upstream makes a slow app
#
# A shop sells scarves and hats, and only its supplier knows the prices. So it calls the supplier with the well-known package `requests`.

# %%
# %%app shop.py
import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/prices/{item}")
async def price(item: str, wait: float):
    reply = requests.get(f"{UPSTREAM}/items/{item}?wait={wait}")
    return reply.json()


# %% [markdown]
# Ten clients ask for a price at once. The upstream takes 0.2 seconds per request, and it could handle all ten at the same time.

# %%
bad = await lab.race("/prices/scarf?wait=0.2", n=10)

# %% [markdown]
# The staircase again, and this time nothing in the file says "sleep". `requests.get` is **blocking I/O**: it keeps the thread until the response is there.
#
# ## Which request waits for which
#
# The supplier has one slow item: a hat takes a whole second, a scarf only 0.1 seconds.
# Five requests arrive together, one for a hat and four for a scarf. **How long does the slowest scarf take?**

# %%
guess = lab.predict("the slowest scarf", None, "s")

# %%
wishes = ["/prices/hat?wait=1"] + 4 * ["/prices/scarf?wait=0.1"]
mixed = await lab.race(wishes, title="one hat and four scarves", prediction=guess)
guess.compare(max(scarf.seconds for scarf in mixed.requests[1:]))

before = 0.0
for place, request in enumerate(sorted(mixed.requests, key=lambda r: r.end), 1):
    print(f"{place}. {request.route:14} done at {request.end:.2f} s, {request.end - before:.2f} s after the previous response")
    before = request.end
lab.diagrams.loop("requests.get(...hat)", 4 * ["GET /prices/scarf"], blocked=True, note="The thread waits inside requests.get; the scarves' calls aren't even sent.").show()

# %% [markdown]
# Three parties are involved: the clients, the app's only thread, and the upstream.
#
# 1. The thread took the first request, reached `requests.get`, sent the upstream call, and waited for the response to it. It was suspended inside `requests.get`.
# 2. The other requests arrived. The upstream could have handled their calls at once, but the app never sent them.
# 3. The response came. The thread finished this request, took the next one, and was suspended again.
# 4. So every request that was taken after the hat waited a second for another client's hat.
#
# So the shop is as slow for everyone as its supplier's slowest item, although the supplier never has more than one call to handle.
#
# ### Your turn: one hat too many
#
# Change the orders: two hats, ten scarves, a faster hat. Predict the slowest scarf in the worst case, then run the cell.

# %%
my_wishes = 2 * ["/prices/hat?wait=0.5"] + 3 * ["/prices/scarf?wait=0.1"]  # change me
slowest = lab.predict("the slowest scarf, at most", None, "s")
my_race = await lab.race(my_wishes, show=False)
slowest.compare(max(request.seconds for request in my_race.requests if "scarf" in request.path))

# %% [markdown]
# <details><summary>The worst case</summary>
#
# All `wait`s added up: with bad luck every other request is taken first. With two hats of 0.5 s and three scarves of 0.1 s that's 1.3 seconds
# for something that takes 0.1.
#
# </details>
#
# ## The fix: a client that you can await
#
# The calls of `requests` can't be awaited; the package is older than `async`. The client that you'll see most often with FastAPI is **httpx**.
#
# A client keeps its connections open and reuses them, so an app needs *one*, opened before the first request and closed after the last.
# FastAPI's place for that is the **lifespan**: the code before `yield` runs at start-up, the code after it at shutdown.
# `@asynccontextmanager` turns the function into something that works with `async with`.

# %%
# %%app shop_fixed.py
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request

UPSTREAM = os.environ["UPSTREAM_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/prices/{item}")
async def price(item: str, wait: float, request: Request):
    reply = await request.app.state.client.get(f"{UPSTREAM}/items/{item}?wait={wait}")
    return reply.json()


# %%
good = await lab.race("/prices/scarf?wait=0.2", n=10, show=False)
lab.side_by_side(bad, good, titles=("requests", "httpx, awaited"))

mixed_again = await lab.race(wishes, title="one hat and four scarves")
slowest_scarf = [max(r.seconds for r in race.requests[1:]) for race in (mixed, mixed_again)]
print(f"The slowest scarf took {slowest_scarf[0]:.2f} s before and {slowest_scarf[1]:.2f} s now.")

# %% [markdown]
# The lifespan puts the client into `app.state`, and the endpoint gets it from there: a parameter declared as `Request` receives the current request, and
# `request.app` is the app.
#
# At `await client.get(...)` the upstream call is sent, and then the loop waits for *any* of its connections to have data, and serves other requests in the meantime.
# Soon all five calls are with the upstream, and whichever response comes first wakes up its own request. The hat still takes a second. The scarves no longer do.
#
# (httpx has had no release since 2024. Its maintained fork is called httpx2, and it has the same interface.)
#
# ## A free loop is not enough
#
# A client wants the total of a basket. The next app asks the upstream for each item, in two ways: one after the other, and all together.
# `asyncio.gather` takes several awaitables, runs them concurrently, and returns their results in order.
#
# To keep the file short, its client is created when the module is imported. That also happens once per app.

# %%
# %%app sums.py
import asyncio
import os

import httpx
from fastapi import FastAPI

app = FastAPI()
client = httpx.AsyncClient(base_url=os.environ["UPSTREAM_URL"])


async def price(item):
    reply = await client.get(f"/items/{item}?wait=0.1")
    return reply.json()["price"]


@app.get("/one_by_one")
async def one_by_one(items: int):
    return sum([await price(item) for item in range(items)])


@app.get("/together")
async def together(items: int):
    return sum(await asyncio.gather(*(price(item) for item in range(items))))


# %%
one_by_one = await lab.race("/one_by_one?items=5", n=3, show=False)
together = await lab.race("/together?items=5", n=3, show=False)
lab.side_by_side(one_by_one, together, titles=("await in a loop", "gather"))

# %% [markdown]
# On both sides, every call is awaited and no request waits for another. But on the left, each request makes *its own* calls one at a time:
# the second is sent only when the first response has arrived, although it doesn't depend on it. No tool that watches the loop can find this. You have to.
#
# The same works in any coroutine, so try it in the notebook, this time with a **TaskGroup**. `create_task` starts a task right away, and the `async with` block ends
# when all its tasks are done.

# %%
import asyncio
import time

client = httpx.AsyncClient(base_url=upstream.url)

async def price(item):
    reply = await client.get(f"/items/{item}?wait=0.1")
    return reply.json()["price"]

started = time.perf_counter()
prices = [await price(item) for item in range(10)]
in_a_loop = time.perf_counter() - started

started = time.perf_counter()
async with asyncio.TaskGroup() as group:
    tasks = [group.create_task(price(item)) for item in range(10)]
in_a_group = time.perf_counter() - started
print("The same prices:", [task.result() for task in tasks] == prices)
print(f"In a loop {in_a_loop:.2f} s, in a group {in_a_group:.2f} s: {in_a_loop / in_a_group:.1f} times as long.")

# %% [markdown]
# ### Your turn: not all at once
#
# Ten calls at once are a load for the upstream, and a thousand are an attack. A **semaphore** limits how many may be in progress:
# a task that finds no free place waits, without blocking the loop.
# Change `places`, predict how long ten calls of 0.1 seconds take, and run the cell.

# %%
places = 3  # try 1, 5, 10
limited = lab.predict(f"ten calls, {places} at a time", None, "s")
semaphore = asyncio.Semaphore(places)

async def limited_price(item):
    async with semaphore:
        return await price(item)

started = time.perf_counter()
async with asyncio.TaskGroup() as group:
    tasks = [group.create_task(limited_price(item)) for item in range(10)]
at_a_time = time.perf_counter() - started
limited.compare(at_a_time)

# %% [markdown]
# <details><summary>The rule</summary>
#
# `ceil(10 / places)` rounds of 0.1 seconds, and a little more for the work around them. With one place the group is no better than the loop.
#
# </details>
#
# ## When one of several calls fails
#
# Two tasks run concurrently, and one of them fails. What happens to the other depends on how you started them.
# Predict which of the others run to their end, and run the cell.

# %%
async def fail():
    raise RuntimeError("no such item")

async def go_on(finished, name):
    await asyncio.sleep(0.1)
    finished.append(name)

finished = []
try:
    async with asyncio.TaskGroup() as group:
        group.create_task(go_on(finished, "the other task in the group"))
        group.create_task(fail())
except* RuntimeError as errors:
    print("The group raised", errors.exceptions)
try:
    await asyncio.gather(go_on(finished, "the other one in gather"), fail())
except RuntimeError as error:
    print("gather raised", repr(error), "when these had finished:", finished)
await asyncio.sleep(0.5)
print("Half a second later:", finished)
results = await asyncio.gather(go_on([], "a third"), fail(), return_exceptions=True)
print("With return_exceptions=True, gather raised nothing, and returned", results)

# %% [markdown]
# The group and `gather` both raise the error. The group cancels the other task first. (It collects errors in an exception group, and `except*` unpacks it.)
# `gather` raises immediately and leaves the other one running in the background. For new code, the group is the safer choice.
#
# With `return_exceptions=True`, `gather` waits for all of them and puts exceptions among the results, where they're easily overlooked.
#
# ## The trap in the fix: a client for every request
#
# In many examples the client is created in the endpoint, where it's needed. It looks tidy: opened, used and closed in three lines, without a lifespan.

# %%
# %%app shop_careless.py
import os

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/prices/{item}")
async def price(item: str, wait: float):
    async with httpx.AsyncClient() as client:
        reply = await client.get(f"{UPSTREAM}/items/{item}?wait={wait}")
    return reply.json()


# %% [markdown]
# Thirty requests, first with a client for each of them, then with one client for all. **What do you expect of the event loop lane?**

# %%
careless = await lab.race("/prices/scarf?wait=0.2", n=30, show=False)
server = lab.serve("shop_fixed.py")
shared = await lab.race("/prices/scarf?wait=0.2", n=30, show=False)
lab.side_by_side(careless, shared, titles=("a client each", "one client"))

started = time.perf_counter()
for _ in range(10):
    httpx.AsyncClient()
each = (time.perf_counter() - started) / 10
print(f"Creating one client takes {1000 * each:.0f} ms on this machine, so thirty of them take {30 * each:.2f} s.")

# %% [markdown]
# There's no staircase, so the bars on the left look fine. But they are all longer than they need to be, because the app was blocked before it sent its first upstream call.
# The line that blocks looks harmless, but a new client prepares for `https` right away: it builds a TLS context, for which it reads and parses the certificates
# of every authority that it trusts. That's CPU-bound work on the loop, without any `await`, and for an upstream that doesn't even use `https`.
# Each client also opens a new connection, which over a network takes several round trips before the request itself is sent.
#
# So create one client per app. (In httpx2 a new client is cheaper, since it uses the operating system's certificates. The connection costs the same.)
#
# ## Timeouts: how long to wait
#
# An upstream can be slow, or not respond at all, and a client shouldn't wait forever. `requests` does, unless you pass a `timeout`. httpx has a default,
# and it distinguishes four timeouts:
#
# | timeout | limits the time to | error |
# |---|---|---|
# | connect (**connection timeout**) | establish a connection | `httpx.ConnectTimeout` |
# | read | receive the next chunk of the response | `httpx.ReadTimeout` |
# | write | send the next chunk of the request | `httpx.WriteTimeout` |
# | pool | get a free connection from the client's own pool | `httpx.PoolTimeout` |
#
# Choose them by how long *your* clients are willing to wait. The next app waits 0.1 seconds at most.
# One endpoint doesn't handle the error; the other turns it into status 504, *Gateway Timeout*.

# %%
# %%app shop_in_time.py
import os

import httpx
from fastapi import FastAPI, HTTPException

app = FastAPI()
client = httpx.AsyncClient(base_url=os.environ["UPSTREAM_URL"], timeout=0.1)


@app.get("/unprepared/{item}")
async def unprepared(item: str, wait: float):
    reply = await client.get(f"/items/{item}?wait={wait}")
    return reply.json()


@app.get("/prepared/{item}")
async def prepared(item: str, wait: float):
    try:
        return await unprepared(item, wait)
    except httpx.TimeoutException:
        raise HTTPException(504, "The supplier is too slow.") from None


# %%
late = await lab.race(["/unprepared/hat?wait=0.5", "/prepared/hat?wait=0.5"], show=False)
for request in late.requests:
    print(f"{request.route:16} status {request.status}, after {request.seconds:.2f} s")
print("The unprepared endpoint raised", late.errors[0].type)
print("httpx's defaults:", httpx.AsyncClient().timeout, "in seconds")

# %% [markdown]
# Both gave up long before the upstream's response was ready. Status 500 means "I'm broken"; 504 means "the service behind me is too slow". The caller can act
# on that: retry later, or show yesterday's price.
#
# ## Keeping `requests`
#
# Perhaps the call sits deep in a package that you can't change. Then use a thread, as in lesson 01: either FastAPI provides it, because the endpoint
# is a plain `def`, or you offload the call yourself with `asyncio.to_thread`.

# %%
# %%app shop_threads.py
import asyncio
import os

import requests
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM_URL"]
app = FastAPI()


@app.get("/plain/{item}")
def plain(item: str, wait: float):
    return requests.get(f"{UPSTREAM}/items/{item}?wait={wait}", timeout=5).json()


@app.get("/thread/{item}")
async def thread(item: str, wait: float):
    url = f"{UPSTREAM}/items/{item}?wait={wait}"
    reply = await asyncio.to_thread(requests.get, url, timeout=5)
    return reply.json()


# %%
plain = await lab.race("/plain/scarf?wait=0.2", n=5, show=False)
thread = await lab.race("/thread/scarf?wait=0.2", n=5, show=False)
lab.side_by_side(plain, thread, titles=("def", "to_thread"))

# %% [markdown]
# Both are correct. The limit is the number of threads: 40 for `def` endpoints, and for `to_thread` only four more than the machine has CPUs (32 at most).
# A waiting call occupies its thread all the time, while a waiting coroutine costs next to nothing.
#
# Mind the parentheses: `to_thread(requests.get, url)` passes a function and its arguments. `to_thread(requests.get(url))` calls the function first, on the loop.
#
# ## When not to bother
#
# - **Scripts and jobs.** No other request waits for them, so `requests` is fine there.
# - **An endpoint that's called once a day.** Measure before you rewrite: a single request is no faster with httpx.
# - **One short call at start-up.** No requests are served yet. Give it a timeout, because health probes don't wait forever.
#
# The core of the lesson ends here; the sections marked *Deeper* are optional.
#
# ## Deeper: the client's own limit
#
# A client also limits its connections, to 100 unless you change it. The client below has five, and a request waits at most two seconds for a free one (`pool=2`).
#
# ### Your turn: five connections
#
# Change `n` and `wait` in the second cell. When do requests start to fail, and with which error?

# %%
# %%app shop_of_five.py
import os

import httpx
from fastapi import FastAPI

app = FastAPI()
five, patience = httpx.Limits(max_connections=5), httpx.Timeout(5, pool=2)
client = httpx.AsyncClient(base_url=os.environ["UPSTREAM_URL"], limits=five, timeout=patience)


@app.get("/prices/{item}")
async def price(item: str, wait: float):
    reply = await client.get(f"/items/{item}?wait={wait}")
    return reply.json()


# %%
n, wait = 15, 3  # change me
fives = await lab.race("/prices/scarf?wait=0.2", n=15)
slow_hats = await lab.race(f"/prices/hat?wait={wait}", n=n, show=False)
too_late = [request.status for request in slow_hats.requests].count(500)
errors = sorted({error.type for error in slow_hats.errors})
print(f"Of {n} slow hats, {too_late} got status 500. Errors in the app: {', '.join(errors) or 'none'}")

# %% [markdown]
# The picture shows three groups of five, and an idle loop. This queue is in front of the upstream, not in front of the loop. So every request that doesn't need
# the upstream is served at once, and the upstream never has to handle more than five of our calls. Slowing down the callers like this is called **back-pressure**.
#
# For hats that take three seconds, two seconds of patience aren't enough: five requests have a connection, and the others wait for one in vain until httpx raises `PoolTimeout`.
# When you meet that error, the upstream may be fine. Either the limit is too low for your load, or the responses are too slow.
#
# ## Deeper: token streams from a language model
#
# Clients for language models often contain this mistake. A chat completion takes seconds, and with `stream=True` it arrives as **server-sent events**,
# one line of JSON per token. The next cell starts a stand-in for such a service, with the same wire format but no model: it sends eight tokens, 0.1 seconds apart.

# %%
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for token in "The loop was waiting for this very token".split():
            time.sleep(0.1)
            chunk = {"choices": [{"delta": {"content": f"{token} "}}]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *words):
        pass  # the default writes every request to the notebook

model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=model.serve_forever, daemon=True).start()
os.environ["MODEL_URL"] = f"http://127.0.0.1:{model.server_port}/v1/chat/completions"

# %%
# %%app chat.py
import os

import httpx
import requests
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

URL, BODY = os.environ["MODEL_URL"], {"stream": True, "messages": []}
app, client = FastAPI(), httpx.AsyncClient(timeout=30)

async def blocking_tokens():
    with requests.post(URL, json=BODY, stream=True, timeout=30) as reply:
        for line in reply.iter_lines():
            yield line + b"\n"
async def awaited_tokens():
    async with client.stream("POST", URL, json=BODY) as reply:
        async for line in reply.aiter_lines():
            yield line + "\n"

@app.get("/blocking")
async def blocking():
    return StreamingResponse(blocking_tokens(), media_type="text/event-stream")
@app.get("/awaited")
async def awaited():
    return StreamingResponse(awaited_tokens(), media_type="text/event-stream")


# %%
chats = await lab.race("/blocking", n=4, show=False)
chats_awaited = await lab.race("/awaited", n=4, show=False)
lab.side_by_side(chats, chats_awaited, titles=("for line in ...", "async for line in ..."))
print("Every stream is complete:", all(request.body.count("data:") == 9 for request in chats.requests + chats_awaited.requests))

# %% [markdown]
# `blocking_tokens` is an *async* generator, and it blocks at every token. With the SDKs the difference is as small as here:
#
# | the call | what it does on the loop | instead |
# |---|---|---|
# | `OpenAI().chat.completions.create(...)` and `for chunk in stream` | blocks for the whole completion | `AsyncOpenAI` and `async for`, one client per app |
# | `boto3` calls, and `["Body"].read()` on their result | both are network reads, and the second is easily forgotten | one `to_thread` around *both* |
# | `PyJWKClient(url).get_signing_key_from_jwt(...)` in an `async def` dependency | fetches the keys with `urllib`; if it's created per request, its cache never works | one client per app, in a `def` dependency |
# | an SDK client per request | builds a TLS context, as above | one client per app |
#
# [stytch-python#312](https://github.com/stytchauth/stytch-python/issues/312) is a report of the third row, and
# [OpenJarvis#626](https://github.com/open-jarvis/OpenJarvis/pull/626) one of the first.
#
# ## Deeper: `on_event`
#
# Older code opens its clients in `@app.on_event("startup")`, which is deprecated. What if an app has both, such a handler and a lifespan?

# %%
import warnings
from contextlib import asynccontextmanager

from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    app.state.ran.append("the lifespan")
    yield

async def what_runs(app):
    app.state.ran = []
    with warnings.catch_warnings(action="ignore"):  # it warns that it is deprecated
        app.on_event("startup")(lambda: app.state.ran.append("the handler"))
    async with app.router.lifespan_context(app):
        return app.state.ran

handler_only, both = await what_runs(FastAPI()), await what_runs(FastAPI(lifespan=lifespan))
print("Only a handler:", *handler_only, "ran. A handler and a lifespan:", *both, "ran.")

# %% [markdown]
# The handler is accepted and silently ignored. Starlette, which FastAPI builds on, has removed `on_event`; FastAPI keeps it for old code.
# So if you give an old app a lifespan, move its handlers into it.
#
# ## What you have seen
#
# - `requests.get` in an `async def` blocks the loop until the response arrives. One slow item of the upstream makes every request slow.
# - One `httpx.AsyncClient`, opened in the lifespan and awaited, keeps all upstream calls in progress at once.
# - An `await` in a loop makes calls one after the other, though the loop is free. `gather` or a `TaskGroup` makes them together,
#   and a semaphore limits how many.
# - A client per request builds a TLS context on the loop, and blocks it again.
# - A timeout says how long to wait, and status 504 tells the caller that the upstream was too slow.
# - `requests` may stay in a `def` endpoint or in `to_thread`, within the limits of their thread pools.
#
# ## Check yourself
#
# **1.** An endpoint awaits three calls to three different services, one after the other. They take 0.1, 0.2 and 0.4 seconds,
# and none depends on another. How long does it take now, and how long with `gather`? Does the event loop lane change?
#
# <details><summary>Answer</summary>
#
# Now it takes their sum, 0.7 seconds; together they take as long as the longest, 0.4 seconds.
# The lane is free both times: this wait delays only the request that makes the calls.
#
# </details>
#
# **2.** A colleague replaces `requests.get` with `async with httpx.AsyncClient() as client:` in the endpoint, tests it with one request,
# and finds it as fast as before. What do you ask them to look at?
#
# <details><summary>Answer</summary>
#
# A race, and its event loop lane. Every request creates a client, which is CPU-bound work on the loop.
# For one request it isn't noticeable; when many arrive together, it adds up. One client in the lifespan fixes it.
#
# </details>
#
# ## Words of this lesson
#
# - **upstream**: a service that an app calls in order to respond to its own clients.
# - **blocking / non-blocking I/O**: a blocking call keeps its thread until the data is there; a non-blocking one lets the loop continue.
# - **lifespan**: the code that runs around an app's life; clients and pools are opened before its `yield` and closed after it.
# - **TaskGroup**, **gather**: run several awaitables concurrently. If one of them fails, the group cancels the rest, and `gather` leaves them running.
# - **semaphore**: a counter that lets a limited number of tasks into a block at a time.
# - **connection timeout, read timeout, pool timeout**: the longest wait for a connection to be established, for the next data, for a free connection.
# - **back-pressure**: slowing down callers so that a service isn't overloaded.
# - **TLS context**: the settings and trusted certificates of encrypted connections. Building one takes CPU time.
# - **server-sent events**: a response that stays open and delivers one event after another, such as tokens.
#
# ## Further reading
#
# - HTTPX, *Async Support*: https://www.python-httpx.org/async/
# - HTTPX, *Timeouts*: https://www.python-httpx.org/advanced/timeouts/
# - HTTPX, *Resource Limits*: https://www.python-httpx.org/advanced/resource-limits/
# - FastAPI, *Lifespan Events*: https://fastapi.tiangolo.com/advanced/events/
# - Python, *Coroutines and Tasks*: https://docs.python.org/3/library/asyncio-task.html
# - The certificates that every new client loads, reported by a user: https://github.com/encode/httpx/issues/3627
# - httpx2 switches to the system's certificates: https://github.com/pydantic/httpx2/pull/209
#
# Next: the exercise of this lesson, in the notebook `exercise_02_calling_http.ipynb`. It has three endpoints with mistakes that you've just seen.
