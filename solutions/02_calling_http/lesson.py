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
# This lesson takes about 30 minutes. You need lesson 01, *Sleeping*: you know why a wait on the event loop
# makes everybody wait, and what `def` endpoints and `await` do about it.
#
# You will see
#
# - what `requests.get` in an `async def` endpoint does to guests who ask for something else;
# - the repair: one `httpx.AsyncClient` for the whole app, and the same race again;
# - questions that are asked one after the other, though the loop is free;
# - a trap in the repair: a client that is made in the wrong place;
# - what a timeout and a limit on connections are good for;
# - honest repairs that keep `requests`, and when not to bother.
#
# One more word, because you will meet it often from here on. `with` opens something and closes it at the end of its block,
# whatever happens in between. Where opening or closing has to be awaited, you write `async with`; and where the next item
# of a loop has to be awaited, `async for`.
#
# Almost every app asks some other service: for a price, a map, a text from a language model.
# While the answer is on its way, there is nothing to do but wait. The question is who waits.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## Somebody to ask
#
# An app needs somebody to ask. The service that an app asks is called its **upstream**.
# Ours is a small HTTP service that knows prices. It runs in a process of its own on this machine.
# We tell it how long to take: `/items/scarf?wait=0.2` is answered after 0.2 seconds.
# However many questions reach it at the same time, it answers each of them after that wait.
#
# The next cell starts it, and puts its address into the environment. From there the apps will read it, as real apps do.

# %%
import os

import httpx

from autograder import services

upstream = services.get("upstream")
os.environ.update(upstream.environment)
print("A question and its answer:", httpx.get(f"{upstream.url}/items/scarf?wait=0.2").json())

# %% [markdown]
# ## What goes wrong
#
# A shop sells scarves and hats, but only its supplier knows the prices. So it asks, with the well-known package `requests`.

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
# Ten guests ask for a price at once. The upstream takes 0.2 seconds for each, and could answer all of them at the same time.

# %%
bad = await lab.race("/prices/scarf?wait=0.2", n=10)
print(f"The quickest price took {bad.quickest:.2f} s, all ten took {bad.seconds:.2f} s: {bad.ratio:.1f} times as long.")

# %% [markdown]
# The staircase again, and this time nobody wrote a sleep. The lane of the loop names the line.
#
# ## A prediction
#
# Now the supplier has one slow item: for a hat it takes a whole second. A scarf takes 0.1 seconds.
# Five guests come together. One wants the price of a hat, four want the price of a scarf.
#
# Of the guests who only want a scarf, how long does the unluckiest wait? Write your number in the place of `None`, or leave it.

# %%
guess = lab.predict("the slowest scarf", None, "s")

# %%
wishes = ["/prices/hat?wait=1"] + 4 * ["/prices/scarf?wait=0.1"]
mixed = await lab.race(wishes, title="one hat and four scarves", prediction=guess)
scarves = mixed.requests[1:]
guess.beside(max(scarf.seconds for scarf in scarves))

# %% [markdown]
# ## Who waited for whom
#
# The requests in the order in which they were answered:

# %%
before = 0.0
for place, request in enumerate(sorted(mixed.requests, key=lambda r: r.end), 1):
    print(f"{place}. {request.route:14} answered at {request.end:.2f} s, {request.end - before:.2f} s after the one before")
    before = request.end

# %% [markdown]
# Three parties take part: the guests, the app's only thread, and the upstream.
#
# 1. The thread took the first request and came to `requests.get`. It sent the question to the upstream.
# 2. Then it wanted to read the answer. There was none yet. So the thread stood still, inside `requests.get`.
# 3. The other guests arrived. The operating system held them. The upstream would have answered them at once,
#    but nobody passed their questions on.
# 4. The answer came. The thread finished this request, took the next, and stood still again.
# 5. Whoever was taken after the hat waited a second for somebody else's hat.
#
# The shop is as slow as its supplier's slowest item, for everybody. And the upstream was never asked two things at once.
#
# ## The repair: a client that can be awaited
#
# A call of `requests` cannot be awaited: the package is older than `async`. But there are clients whose calls can.
# The one that you meet most often together with FastAPI is **httpx**.
#
# A client keeps connections open and uses them again. So an app needs *one*, opened before the first guest and closed
# after the last. FastAPI has a place for such things, the **lifespan**: what comes before `yield` runs at the start,
# what comes after it at the end. The line `@asynccontextmanager` above the function turns it into something that `async with`
# can open and close.

# %%
# %%app shop_repaired.py
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


# %% [markdown]
# The lifespan puts the client into `app.state`, and the endpoint takes it from there. It gets at the app through `request`:
# a parameter that is declared as `Request` receives the request itself, and `request.app` is the app.
# Only one word does the waiting: `await`.
#
# In older code you find a handler for this, `@app.on_event("startup")`. It is deprecated. And what if an app has both?
# The next cell starts two apps, as a server would: one that has only a handler, and one that has a lifespan as well.
# It prints what ran.

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
print("Only a handler: what ran is", *handler_only)
print("A handler and a lifespan: what ran is", *both)

# %% [markdown]
# In an app with a lifespan such handlers are accepted, and silently not run. Starlette, the package that FastAPI is built on,
# has removed them; FastAPI keeps them for old code. So if you give an old app a lifespan, move its handlers into it.
#
# httpx itself has had no release since 2024. Its maintained fork is called httpx2. What you learn here holds for both.
#
# Back to the shop. Here are the same ten guests, beside the first race on the same scale, and after them the guests
# who want a scarf while somebody else wants a hat.

# %%
good = await lab.race("/prices/scarf?wait=0.2", n=10, show=False)
lab.side_by_side(bad, good, titles=("requests", "httpx, awaited"))
print(f"All ten took {bad.ratio:.1f} times as long as the quickest before, and {good.ratio:.1f} times now.")

mixed_again = await lab.race(wishes, title="one hat and four scarves")
slowest = [max(r.seconds for r in race.requests[1:]) for race in (mixed, mixed_again)]
print(f"The slowest scarf took {slowest[0]:.2f} s before and {slowest[1]:.2f} s now.")

# %% [markdown]
# At `await ... .get(...)` the question is sent, too. But then the loop notes: *wake me when this connection has something to read*.
# It takes the next guest, sends the next question, and so on. Soon all five questions are with the upstream.
# Whichever answer comes first wakes its own guest. The hat still takes its second. Only the hat does.
#
# ## A free loop is not enough
#
# Somebody wants the total of a basket. The next app asks for each item of it.
# It does so in two ways: item after item, and all together. `asyncio.gather` takes several coroutines, runs them side by side,
# and gives back their results in order.
#
# To keep the file short, its client is made when the file is imported. That, too, is once for the whole app.

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
print(f"Five questions in a loop took {one_by_one.quickest / together.quickest:.1f} times as long as five together.")

# %% [markdown]
# On both sides every wait is awaited, and nobody stands in a queue for the thread.
# (If a lane is hatched for a moment: reading answers is work, and the machine may be busy.)
# But on the left each guest stands in a queue of their own questions. The second question is asked only when the first
# is answered, although it needs nothing from that answer. No tool that watches the loop can see this. You have to.
#
# This works in every `async` function, so let us go on in the notebook, where there is a loop, too.
# Ten questions, first in a loop, then with a **TaskGroup**: its `create_task` gives a coroutine to the loop, as in lesson 00,
# and the `async with` ends when all of them have ended.
#
# And what if one of them fails? The cell after that lets it happen, once in a group and once in `gather`.
# Beside the task that fails runs another, which takes a moment.

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
print("The same answers:", [task.result() for task in tasks] == prices)
print(f"In a loop {in_a_loop:.2f} s, in a group {in_a_group:.2f} s: {in_a_loop / in_a_group:.1f} times as long.")


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
    print("The group:", errors.exceptions)
try:
    await asyncio.gather(go_on(finished, "the other one in gather"), fail())
except RuntimeError as error:
    print("gather:", repr(error))
await asyncio.sleep(0.5)
print("What ran on to its end:", *finished)

# %% [markdown]
# Both tell you about the error. The TaskGroup cancels the others first. (It packs the errors together, and `except*` unpacks them.)
# `gather` lets the others run on unseen. For new code the group is the safer habit.
#
# Ten questions at once are a burden for the upstream, and a thousand are an attack. A polite app sets itself a limit.
# A **semaphore** has a number of places. Whoever finds none free waits, and holds up nobody else.

# %%
places = asyncio.Semaphore(3)

async def polite_price(item):
    async with places:
        return await price(item)

started = time.perf_counter()
async with asyncio.TaskGroup() as group:
    tasks = [group.create_task(polite_price(item)) for item in range(10)]
politely = time.perf_counter() - started
print(f"Three at a time: {politely:.2f} s, {politely / in_a_group:.1f} times as long as all at once.")

# %% [markdown]
# ## The trap that the repair hides
#
# In many examples the client is made where it is needed, in the endpoint. It looks tidy:
# opened, used, closed, three lines, no lifespan.

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
# Thirty guests, first with a client for each of them, then with one for all. What do you expect of the loop's lane?

# %%
careless = await lab.race("/prices/scarf?wait=0.2", n=30, show=False)
server = lab.serve("shop_repaired.py")
shared = await lab.race("/prices/scarf?wait=0.2", n=30, show=False)
lab.side_by_side(careless, shared, titles=("a client each", "one client"))
print(f"A client each: {careless.lane}. Loop lag up to {careless.loop_lag:.0f} ms.")
print(f"One client:    {shared.lane}. Loop lag up to {shared.loop_lag:.0f} ms.")

# %% [markdown]
# There is no staircase, and so the bars look fair. But all of them are longer than they need to be.
# The lane of the loop and the canary say why: the app was held up before it had sent its first question.
#
# The line that blocks does not look as if it did anything. But a new client is ready for `https` from the start:
# it reads a file with the certificates of all the authorities that it trusts, and takes them in one by one.
# That is work for the CPU, there is no `await` in it, and it is done on the loop.
# Our upstream does not even speak `https`.
#
# How long does it take to make one client? The next cell asks your machine.

# %%
started = time.perf_counter()
for _ in range(10):
    httpx.AsyncClient()
each = (time.perf_counter() - started) / 10
print(f"One client: {1000 * each:.0f} ms. Thirty of them: {30 * each:.2f} s.")

# %% [markdown]
# A client for each guest has a second price: every guest needs a new connection. Over a network, with `https`, that is
# several trips there and back before the question is even asked. A shared client keeps its connections.
#
# So make one client for the app. The same holds for the clients of other packages:
# if an object has `Client` in its name, ask whether it belongs in the lifespan.
#
# ## How long to wait at most
#
# An upstream can be slow, or silent. A client should not wait for ever. Here the two packages differ:
# `requests` waits without end unless you give it a `timeout`. httpx has one from the start.
# If no byte comes for that long, it raises `httpx.ReadTimeout`.
#
# Choose your own number: as long as your guests are willing to wait. The next app is willing to wait 0.1 seconds.
# One of its endpoints is not prepared for the error.
# The other catches it and answers with status 504, *the one that I asked was too slow*.

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
late = await lab.race(["/unprepared/hat?wait=0.5", "/prepared/hat?wait=0.5"], title="a hat that takes too long")
for request in late.requests:
    print(f"{request.route:16} status {request.status}, after {request.seconds:.2f} s")
print("What the unprepared endpoint met:", late.errors[0]["type"])
print("What httpx sets if you do not:", httpx.AsyncClient().timeout, "in seconds")

# %% [markdown]
# Both gave up long before the upstream had its answer. Status 500 says *I am broken*. Status 504 says who is.
# Whoever calls your app can do something with that: try later, or show yesterday's price.
#
# ## How many at most
#
# A client has a limit on its connections as well. Unless you say otherwise it is 100. Here it is five.
# And whoever needs a connection waits at most two seconds for a free one: `pool=2`.

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
fives = await lab.race("/prices/scarf?wait=0.2", n=15)
print(f"15 guests on five connections took {fives.ratio:.1f} times as long as the quickest.")
slow_hats = await lab.race("/prices/hat?wait=3", n=15, show=False)
too_late = [request.status for request in slow_hats.requests].count(500)
print(f"Of 15 who want a slow hat, {too_late} got status 500. The first of them met: {slow_hats.errors[0]['type']}")

# %% [markdown]
# Three groups of five, one after the other, while the loop has nothing to do. It is a queue, but in front of the upstream
# and not in front of the loop: whoever wants nothing from the upstream is served.
# The upstream never has more than five of our questions at a time. Such a limit is called **back-pressure**:
# the one who cannot take more slows down those who ask.
#
# For a hat that takes three seconds, two seconds of patience are too few. Five guests have a connection.
# The others wait for one in vain, and httpx raises `PoolTimeout`.
# When you meet that error, the upstream may be well: your limit is too low for your guests, or the answers are too slow.
#
# ## Keeping `requests`
#
# Perhaps the call sits deep in a package that somebody else wrote. From lesson 01 you know what helps then: a thread.
# Either FastAPI provides it, because the endpoint is a plain `def`, or you ask for it with `asyncio.to_thread`.

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
print(f"Five guests took {plain.ratio:.1f} times as long as the quickest with def, {thread.ratio:.1f} times with to_thread.")

# %% [markdown]
# Both are honest. The limit is the number of threads: 40 for `def` endpoints, and for `to_thread` only four more
# than the machine has cores (at most 32). A thread is taken for as long as it waits. A coroutine that waits costs next to nothing.
#
# Mind the brackets: `to_thread(requests.get, url)` hands over the function and what to call it with.
# `to_thread(requests.get(url))` would call it first, on the loop.
#
# ## When not to bother
#
# - **One call at the start.** A question that an app asks before its first guest holds up nobody.
# - **Scripts and jobs.** Nobody else waits for them. `requests` is fine there.
# - **An app with one user,** or an endpoint that is asked once a day: measure before you rewrite.
#
# For one guest alone the repair gains nothing. See for yourself:

# %%
async def alone(file):
    lab.serve(file)
    race = await lab.race("/prices/scarf?wait=0.2", n=1, show=False)
    return race.seconds

blocking, awaiting = await alone("shop.py"), await alone("shop_repaired.py")
print(f"One guest alone: {blocking:.2f} s with requests, {awaiting:.2f} s with httpx.")

# %% [markdown]
# ## What you have seen
#
# - `requests.get` in an `async def` stands still on the loop until the answer is there. One slow item of the upstream makes every guest slow.
# - One `httpx.AsyncClient`, opened in the lifespan and awaited, has all questions under way at once.
# - An `await` in a loop asks one thing after the other, though the loop is free. `gather` or a `TaskGroup` asks together,
#   a semaphore keeps that polite.
# - A client made for each request loads certificates on the loop and blocks it again.
# - A timeout says how long to wait, and 504 says whose fault it was. A limit on connections protects the upstream.
# - `requests` may stay in a `def` endpoint or in `to_thread`, as far as the threads go. For a script or a start-up, leave it.
#
# ## Check yourself
#
# **1.** An endpoint awaits three questions to three different services, one after the other. They take 0.1, 0.2 and 0.4 seconds.
# None needs the answer to another. How long does it take now, and how long with `gather`? Does the loop's lane change?
#
# <details><summary>Answer</summary>
#
# Now it takes their sum, 0.7 seconds. Together they take as long as the longest, 0.4 seconds.
# The lane is free both times: this wait blocks nobody but the one who asked.
#
# </details>
#
# **2.** A colleague repairs `requests.get` with `async with httpx.AsyncClient() as client:` in the endpoint, tests it with one request,
# and finds that it is as quick as before. What do you ask them to look at?
#
# <details><summary>Answer</summary>
#
# At a race, and the lane of the loop in it. Each request makes a client, and that is tens of milliseconds of work on the loop
# with nothing to await. For one request nobody feels it. When many come together, they add up. One client in the lifespan ends it.
#
# </details>
#
# ## Further reading
#
# - HTTPX, *Async Support*: https://www.python-httpx.org/async/
# - HTTPX, *Timeouts*: https://www.python-httpx.org/advanced/timeouts/
# - HTTPX, *Resource Limits*: https://www.python-httpx.org/advanced/resource-limits/
# - FastAPI, *Lifespan Events*: https://fastapi.tiangolo.com/advanced/events/
# - Python, *Coroutines and Tasks*: https://docs.python.org/3/library/asyncio-task.html
# - The certificates that every new client loads, as its users met it: https://github.com/encode/httpx/issues/3627
#
# Next: the exercise of this lesson, in the notebook `exercise_02_calling_http.ipynb` beside this one. It has two endpoints,
# and you already know both mistakes.
