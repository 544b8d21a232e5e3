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
# # Sleeping
#
# > **It happened.** OpenSandbox, a FastAPI service, polls in a loop until a new sandbox is ready. One branch of that loop called `time.sleep` inside an
# > `async def`. During those sleeps nothing else was served, not even `/health`, so the liveness probe timed out and Kubernetes restarted the pod.
# > Every new sandbox went through that branch. The fix was one line.
# > ([OpenSandbox#841](https://github.com/opensandbox-group/OpenSandbox/pull/841))
#
# **About 25 minutes**, plus 5 for the sections marked "Deeper". You need lesson 00, *Start here*: what a race, a timeline, a canary and
# the event loop are.
#
# You'll see
#
# - what one `time.sleep` does to every other request, and which request waits for which;
# - the fix, `await asyncio.sleep`, and the same race again;
# - the same mistake in two places where it's easy to miss: a helper function and a dependency;
# - a correct fix without `await`, the `def` endpoint, and its limit;
# - two fixes that look right and aren't.
#
# Real code sleeps before it retries, when another service asks it to slow down, or until something is ready.
# A sleep is also the simplest wait there is, so everything you learn here applies to databases, files and HTTP calls as well.
#
# The next cell loads the tools of the course. If it fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## One slow request, ten slow clients
#
# A café API takes orders. `wait` is a **query parameter**: it isn't part of the path, so FastAPI reads it from what follows the question mark,
# and `/coffee?wait=0.2` calls `coffee(0.2)`. A coffee takes as long as `wait` says, in seconds. The menu takes no time at all.

# %%
# %%app cafe.py
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
async def coffee(wait: float):
    time.sleep(wait)
    return {"drink": "coffee"}


@app.get("/menu")
async def menu():
    return ["coffee", "tea"]


# %% [markdown]
# Ten clients order at once, and each coffee takes 0.2 seconds.

# %%
from itertools import pairwise

bad = await lab.race("/coffee?wait=0.2", n=10)
ends = sorted(request.end for request in bad.requests)
print("Seconds from one response to the next:", *(f"{later - earlier:.2f}" for earlier, later in pairwise(ends)))

# %% [markdown]
# You know this staircase from lesson 00: the requests ran sequentially, although all ten arrived together. Each step is one coffee high.
#
# ## Which request waits for which
#
# Now a mixed race. Four requests are sent together: three coffees of 0.3 seconds each, and the menu.
# The menu is second in the list and takes no time itself.
#
# **After how many seconds does the client have the menu, at least and at most?** Replace `None` with your two numbers, or leave them.

# %%
at_least = lab.predict("the menu, at least", None, "s")
at_most = lab.predict("the menu, at most", None, "s")

# %%
orders = ["/coffee?wait=0.3", "/menu", "/coffee?wait=0.3", "/coffee?wait=0.3"]
mixed = await lab.race(orders, title="three coffees and a menu")
at_least.compare(mixed.requests[1].seconds, at_most)

before = 0.0
for place, request in enumerate(sorted(mixed.requests, key=lambda r: r.end), 1):
    print(f"{place}. {request.path:17} done at {request.end:.2f} s, {request.end - before:.2f} s after the previous response")
    before = request.end
lab.diagrams.loop("time.sleep(0.3)", ["GET /menu", *2 * ["GET /coffee"]], blocked=True, note="While one coffee sleeps, nothing takes the next request.").show()

# %% [markdown]
# Read the list from the top. It shows what the app's only thread did.
#
# 1. It took the first coffee, started the endpoint, reached `time.sleep`, and was suspended in the middle of the function.
# 2. The other three requests arrived in the meantime. The operating system held their connections; no Python code looked at them.
# 3. When the sleep was over, the thread sent the response and took the next request. If that was another coffee, it slept again.
# 4. The menu doesn't sleep at all. It waits for *other requests'* sleeps: for every coffee above it in the list.
#
# How many coffees that is depends on luck, because the waiting connections are handed to the app in no particular order.
# So the menu takes anything from no time to three times 0.3 seconds.
#
# ### Your turn: bad luck in numbers
#
# Change the orders: more coffees, longer coffees, the menu first or last. Before you run the cell, work out the longest time that the menu can take.

# %%
my_orders = ["/menu", "/coffee?wait=0.1", "/coffee?wait=0.5"]  # change me
longest = lab.predict("the menu, at most", None, "s")
my_race = await lab.race(my_orders, show=False)
menu_took = my_race.requests[my_orders.index("/menu")].seconds
longest.compare(menu_took)

# %% [markdown]
# <details><summary>The longest time, and why the position in the list doesn't help</summary>
#
# The sum of all `wait`s: with bad luck, every coffee is taken before the menu. Your list only decides the order in which the requests are sent,
# and they're sent at the same moment. Run the cell a few times, and the menu will land in different places.
#
# </details>
#
# ## The fix
#
# `await asyncio.sleep(wait)` takes just as long, but it gives the thread back to the event loop in the meantime.
# The new file differs from the old one in two lines: the import and the sleep.

# %%
# %%app cafe_fixed.py
import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
async def coffee(wait: float):
    await asyncio.sleep(wait)
    return {"drink": "coffee"}


@app.get("/menu")
async def menu():
    return ["coffee", "tea"]


# %%
good = await lab.race("/coffee?wait=0.2", n=10, show=False)
lab.side_by_side(bad, good, titles=("time.sleep", "await asyncio.sleep"))
mixed_again = await lab.race(orders, show=False)
print(f"The menu, next to three coffees, took {mixed.requests[1].seconds:.2f} s before and {mixed_again.requests[1].seconds:.2f} s now.")

# %% [markdown]
# No coffee got faster; each still takes as long as its `wait` says. What disappeared is the queue.
#
# At `await asyncio.sleep` the endpoint sets a timer and hands control back to the loop, which takes the next callback from its ready queue.
# If that is another coffee, the loop sets another timer. If it is the menu, the loop sends the response right away, so there's nothing left for luck to decide.
# All the waits are in progress at the same time. They run concurrently, though not **in parallel**: parallel means executing at the same instant on several CPUs,
# and here there is still a single thread.
#
# ## The same mistake, two calls down
#
# Does this endpoint block?
#
# ```python
# @app.get("/beans/{sort}")
# async def beans(sort: str):
#     return ask_roaster(sort)
# ```
#
# You can't tell: there's no sleep in it. Here is the whole file.

# %%
# %%app beans.py
import time

from fastapi import FastAPI

app = FastAPI()


def pause():
    time.sleep(0.3)


def ask_roaster(sort):
    pause()
    return {"sort": sort, "in_stock": True}


@app.get("/beans/{sort}")
async def beans(sort: str):
    return ask_roaster(sort)


# %% [markdown]
# A **linter** is a program that reads code and reports likely mistakes. The usual rule for this one is "no `time.sleep` inside an `async def`".
# The next cell is a small linter of that kind, and then a race of the same file.

# %%
import ast
from pathlib import Path

def sleeps_in_async_functions(file):
    functions = [f for f in ast.walk(ast.parse(Path(file).read_text())) if isinstance(f, ast.AsyncFunctionDef)]
    calls = [node for f in functions for node in ast.walk(f) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if ast.unparse(call.func) == "time.sleep"]

for file in ("cafe.py", "beans.py"):
    print(f"The linter on {file}: lines {sleeps_in_async_functions(file)}")

helper = await lab.race("/beans/{i}", n=5, title="/beans", show=False)
block = helper.worst_block
print(f"The race of beans.py: {block.code}, {block.place}")

# %% [markdown]
# The linter finds the sleep in the café. It misses the one in the roaster's helper, because that one isn't inside the `async def`:
# between endpoint and sleep there could be three files and two packages. Ruff has this rule too (`ASYNC251`), and it also looks at one function at a time.
# A race doesn't read code. It samples what the thread is doing while it's blocked.
#
# The race names the line where the thread slept. You may have to change other lines: a plain `def` function can't `await`,
# so `pause` has to become `async def`, its caller has to await it and become `async def` as well, and so on up to the endpoint.
# The exercise lets you practise that.
#
# ## The same mistake in a dependency
#
# A **dependency** is a function that FastAPI calls before your endpoint, often for authentication.
# This endpoint is available under two paths, each with its own dependency. Both sleep, and they differ in a single keyword.
# **Which path has the queue?** Decide before you run the race.

# %%
# %%app members.py
import time

from fastapi import Depends, FastAPI

app = FastAPI()


async def async_check(wait: float):
    time.sleep(wait)


def plain_check(wait: float):
    time.sleep(wait)


@app.get("/async_check", dependencies=[Depends(async_check)])
@app.get("/plain_check", dependencies=[Depends(plain_check)])
async def enter():
    return {"welcome": True}


# %%
in_async = await lab.race("/async_check?wait=0.2", n=5, show=False)
in_plain = await lab.race("/plain_check?wait=0.2", n=5, show=False)
lab.side_by_side(in_async, in_plain, titles=("async def dependency", "def dependency"))

# %% [markdown]
# The plain `def` does better here, because FastAPI decides by that keyword where a function runs:
#
# - an `async def` function runs on the event loop, because FastAPI trusts it to await everything that takes time;
# - a `def` function runs in a **thread pool**, a fixed number of other threads that may block without stopping the loop.
#
# So `async def` is a promise, and `async_check` breaks it.
#
# ## A correct fix without `await`: the `def` endpoint
#
# What works for a dependency works for an endpoint. Here is the café with its `time.sleep` still in place, and without the `async` in front of `coffee`.

# %%
# %%app cafe_threads.py
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
def coffee(wait: float):
    time.sleep(wait)
    return {"drink": "coffee"}


# %%
threads = await lab.race("/coffee?wait=0.2", n=10, show=False)
print(f"time.sleep in async def: {bad.ratio:.1f} times the fastest. In def: {threads.ratio:.1f} times.")
crowd = await lab.race("/coffee?wait=1", n=45)
lab.diagrams.pools(in_tokens=40, note="45 coffees in def endpoints: 40 have a token, five wait for one.").show()

# %% [markdown]
# For code that can't be awaited, `def` is a proper fix, and often the smallest one. Its limit is the size of the pool:
# 40 threads, shared by everything that FastAPI itself runs in a thread. (The diagram counts *tokens*: a call needs one of 40 to run in a thread.
# It also shows the separate pool of `asyncio.to_thread`, which lesson 05 introduces.)
# Of the 45 clients above, 40 got a thread at once. The other five first waited for a free thread and then for their coffee.
#
# ### Your turn: the size of the pool
#
# Change `n` and predict the total. At which `n` does it jump from 0.5 to 1 second, and at which to 1.5?

# %%
n = 41  # try 40, 80, 81
total = lab.predict(f"{n} coffees of 0.5 s", None, "s")
pool = await lab.race("/coffee?wait=0.5", n=n, show=False)
total.compare(pool.seconds)

# %% [markdown]
# <details><summary>The rule</summary>
#
# `n` requests need `ceil(n / 40)` rounds. The total jumps at 41 and at 81. The measurement is a little higher,
# because starting up to 40 threads takes a moment, too.
#
# </details>
#
# ## Two fixes that look right
#
# Read this fix, and look for what's missing.

# %%
# %%app forgotten.py
import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
async def coffee(wait: float):
    asyncio.sleep(wait)
    return {"drink": "coffee"}


# %%
forgotten = await lab.race("/coffee?wait=0.5", n=5, show=False)
print(f"Each request asked for a wait of 0.5 s. The slowest one took {forgotten.seconds:.2f} s.")
warning = next((line for line in lab.current().log.splitlines() if "never awaited" in line), "nothing yet")
print("In the server's log:", warning.split(": ", 1)[-1])

# %% [markdown]
# Far too fast. Calling an `async def` function doesn't run it. It only creates a **coroutine**, and a coroutine does nothing until something awaits it.
# This one is never awaited, so the coffee is served before it's made. Python reports that in the server's log
# (`lab.current().log` in this course), but how often do you read the log of an app that returns 200?
#
# The second attempt fixes the endpoint, but not the helper that it calls.
# Its author tested it the usual way, with ten requests at once and a limit on the total. Run sequentially, ten waits of 0.5 seconds would take 5 seconds, so the test requires a total of less than 2.

# %%
# %%app partly.py
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


def note_order(seconds):
    time.sleep(seconds)


@app.get("/coffee")
async def coffee(wait: float):
    note_order(wait / 10)
    await asyncio.sleep(wait * 9 / 10)
    return {"drink": "coffee"}


# %%
partly = await lab.race("/coffee?wait=0.5", n=10)
verdict = "passed" if partly.seconds < 2 else "failed"
print(f"{partly.seconds:.2f} s is {'less' if partly.seconds < 2 else 'not less'} than 2 s: the test {verdict}.")

# %% [markdown]
# Each request blocks for only a tenth of its wait, but ten of them arrive together and their tenths add up.
# No other request is served during that time. The total doesn't show it; the canary does.
#
# So after a fix, race again and look at the event loop lane. Fixing the line that you knew about doesn't prove that the loop is free.
#
# ## When not to bother
#
# - **One user, one task.** In a script, a command-line tool or a nightly job no other request is waiting, so let it sleep.
# - **A thread of its own.** A worker thread that sleeps blocks only itself.
# - **Very short sleeps, now and then.** The next cell races the blocking café with sleeps of a millisecond.
#
# Start-up belongs on this list only if it's short: the app serves no requests yet, but health probes are already waiting for it.

# %%
server = lab.serve("cafe.py")
short = await lab.race("/coffee?wait=0.001", n=10, show=False)
print(f"The slowest canary took {1000 * short.worst_canary:.0f} ms; with sleeps of 0.2 s it was {1000 * bad.worst_canary:.0f} ms.")
alone = [await lab.race("/coffee?wait=0.2", n=1, show=False) for _ in range(5)]
print(f"Five coffees, one request at a time: {sum(race.seconds for race in alone):.1f} s in total, {5 * 0.2:.1f} s of it brewing.")

# %% [markdown]
# A blocking millisecond is still the same mistake, but no client notices it, and there may be something worse in your app. Measure first, then fix in order of harm.
#
# The last line shows why this mistake survives so many tests: as long as requests come one at a time, none of them waits for another.
# A test for blocking code has to send requests *together*.
#
# The core of the lesson ends here; the sections marked *Deeper* are optional.
#
# ## Deeper: the health probe is the first victim
#
# In the incident at the top, nothing was wrong with the health endpoint itself. Nothing is wrong with `/menu` either: it never waits. Kubernetes requests
# such an endpoint every few seconds, allows one second for the response (by default), and restarts the container after a few failures.
# The next cell plays the probe while two clients order slow coffees, first with the blocking café and then with the fixed one.

# %%
import asyncio

import httpx

async def failed_probes(file):
    server, failed = lab.serve(file), 0
    rush = asyncio.create_task(lab.race("/coffee?wait=2", n=2, show=False))
    async with httpx.AsyncClient(timeout=1) as probe:
        while not rush.done():
            try:
                await probe.get(f"{server.url}/menu")
            except httpx.TimeoutException:
                failed += 1
            await asyncio.sleep(0.1)
    return failed

probes_blocking, probes_fixed = await failed_probes("cafe.py"), await failed_probes("cafe_fixed.py")
print(f"Failed probes: {probes_blocking} with time.sleep, {probes_fixed} with await asyncio.sleep.")

# %% [markdown]
# A restart doesn't fix anything: the requests in progress are lost, and the remaining pods have to take over the load.
# A longer probe timeout only hides the block.
#
# The opposite mistake is a probe that reports success while nothing works. An `async def` probe doesn't need a thread, so it stays fast even when all
# 40 threads are taken and every `def` endpoint waits, as in the race of 45 above. Lesson 09 returns to that.
#
# ## Deeper: "Why not just run more workers?"
#
# A server can run several **workers**, copies of the app in processes of their own, each with its own event loop.
# Here is the blocking café with two of them, started by hand with uvicorn. Four clients order coffees of half a second.

# %%
import socket
import sys
import time

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
command = f"-m uvicorn cafe:app --workers 2 --port {port} --no-access-log".split()
workers = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=asyncio.subprocess.PIPE)
ready = 0
async for line in workers.stderr:
    ready += b"startup complete" in line
    if ready == 2:
        break

async def order(client):
    started = time.perf_counter()
    await client.get(f"http://127.0.0.1:{port}/coffee?wait=0.5")
    return time.perf_counter() - started

async with httpx.AsyncClient(timeout=60) as client:
    took = sorted(await asyncio.gather(*(order(client) for _ in range(4))))
workers.terminate()
status = await workers.wait()
print("Four coffees of 0.5 s on two workers took", ", ".join(f"{seconds:.1f} s" for seconds in took))

# %% [markdown]
# Two workers are two threads that can be blocked instead of one, so four requests still queue. And nothing spreads the requests evenly:
# a worker accepts as many connections as it finds waiting. If each of yours served two coffees, that was luck; if one finds all four,
# the other does nothing, and the last coffee takes two seconds.
# Workers use more CPUs, which helps with computing. They also multiply memory and database connections, and a blocking line
# blocks each of them. Fix the line first; lesson 08 measures what processes are good for.
#
# ## What you have seen
#
# - One `time.sleep` in an `async def` blocks the only thread. Each request waits for every request that was taken before it, even if it needs no time itself.
# - `await asyncio.sleep` waits just as long and blocks nothing. No coffee gets faster; the queue is gone.
# - In a helper or a dependency, the same sleep does the same harm, and reading the endpoint doesn't show it. The race names file, line and function.
# - A `def` endpoint or dependency runs in a pool of 40 threads. It may sleep, up to 40 at a time.
# - A forgotten `await` skips the wait, and the response comes too early. A helper that still sleeps passes a test of the total, but the canary is late.
#
# ## Check yourself
#
# **1.** An `async def` endpoint calls `time.sleep(0.5)`. Another endpoint of the same app never sleeps.
# Four requests to the first and one to the second arrive together. How long can the fifth request take?
#
# <details><summary>Answer</summary>
#
# Up to four times 0.5 seconds. One thread serves both endpoints, and with bad luck it sleeps four times before it gets to the fifth request.
#
# </details>
#
# **2.** You change `async def order()` to `def order()`. It depends on `async def check()`, which calls `time.sleep`. Is the loop free now?
#
# <details><summary>Answer</summary>
#
# No. The endpoint now runs in the thread pool, but the dependency is still `async def`, so it still runs on the event loop. FastAPI decides for each function separately.
#
# </details>
#
# ## Words of this lesson
#
# - **query parameter**: a value after the question mark of a URL, such as `wait` in `/coffee?wait=0.2`.
# - **coroutine**, **awaitable**: calling an `async def` function returns a coroutine, which does nothing yet. Coroutines, tasks and futures are
#   *awaitable*: `await` waits for their result without blocking the loop.
# - **concurrent / parallel**: concurrent work is in progress during the same time, even on one thread; parallel work executes at the same instant on several CPUs.
# - **dependency**: a function that FastAPI calls before the endpoint, declared with `Depends`.
# - **thread pool**: a limited set of threads for blocking calls. The one behind `def` endpoints and `def` dependencies has 40 threads.
# - **linter**: a program that reads code without running it and reports likely mistakes.
# - **health probe**: a request that an orchestrator such as Kubernetes sends to find out whether a container still works.
# - **worker**: one of several processes that run the same app. (Later lessons also call the threads and processes of a pool workers.)
#
# ## Further reading
#
# - FastAPI, *Concurrency and async / await*: https://fastapi.tiangolo.com/async/
# - Python, *Developing with asyncio*: https://docs.python.org/3/library/asyncio-dev.html
# - Starlette, *Thread Pool*: https://www.starlette.io/threadpool
# - Kubernetes, *Configure Liveness, Readiness and Startup Probes*: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
#
# Next: the exercise of this lesson, in the notebook `exercise_01_sleeping.ipynb`. It has three endpoints with the mistakes that you've just seen.
