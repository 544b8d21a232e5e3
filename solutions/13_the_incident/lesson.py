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
# # The incident
#
# > **It happened.** In one day, Kubernetes restarted two pods of an API 21 and 14 times, because their liveness probes timed out. The health endpoint did nothing at all, and according to the service's own
# > metrics it was fast: every measured call took less than 5 ms. But the failed probes were never measured. The event loop was stalled, and nothing accepted their
# > connections. ([terrapod#228](https://github.com/mattrobinsonsre/terrapod/issues/228))
#
# **About 20 minutes**, plus 10 for the sections marked "Deeper". You need the lessons before this one.
# You know what blocks a loop, and how to fix each kind. What you don't know yet is where to begin when an app has many of them.
#
# You'll see
#
# - a shop in which every request is fast by itself, and an **alert** that still fires: a rule that wakes up the person on call;
# - **load**: clients that use all routes for some seconds, and how long they wait, drawn live;
# - three numbers that describe waits: p50, p95, p99;
# - why the shop's own measurements don't show the problem;
# - the method: measure, fix what does most harm, measure again;
# - a trap: to begin with what is easy to see;
# - when to stop.
#
# The next cell loads the tools of the course, and starts an HTTP service and a database, which takes a few seconds.
# If it fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
# close it and start it with `./course lab`.

# %%
import os

from autograder import lab, services
# %load_ext autograder.lab

for name in ("upstream", "postgres"):
    os.environ.update(services.get(name).environment)

# %% [markdown]
# ## The shop
#
# A florist's app calls the HTTP service for prices, and the database for the report of the day.
# It has five **routes**, paths with an endpoint each. Three of them block the loop, and two are fine.
# `/cards` waits for nothing. Its response says how long its own work took, from its first line to its last: its **span**.
# Don't search yet.

# %%
# %%app florist.py
import asyncio
import os
import time
from contextlib import asynccontextmanager

import httpx
import psycopg2
import requests
from fastapi import FastAPI, Request

SUPPLIER = os.environ["UPSTREAM_URL"]
DATABASE = os.environ["DATABASE_URL"]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=SUPPLIER) as app.state.http:
        yield


app = FastAPI(lifespan=lifespan)


def price_of(flower):
    return requests.get(f"{SUPPLIER}/items/{flower}?wait=0.06").json()["price"]


@app.get("/prices/{flower}")
async def price(flower: str):
    return {"price": price_of(flower)}


@app.get("/flowers/{flower}")
async def flower(flower: str, request: Request):
    return (await request.app.state.http.get(f"/items/{flower}?wait=0.05")).json()


@app.get("/report")
async def report():
    connection = psycopg2.connect(DATABASE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.15)")
    connection.close()


@app.get("/thanks")
async def thanks():
    time.sleep(0.025)


@app.get("/cards/{i}")
async def card(i: int):
    began = time.perf_counter()
    text = f"Card number {i}, with love"
    return {"card": text, "span": time.perf_counter() - began}


# %% [markdown]
# ## What the users see
#
# First one request at a time, as a developer tries it out:

# %%
alone = {}
for path in ("/prices/rose", "/flowers/rose", "/report", "/thanks", "/cards/1"):
    alone[path] = (await lab.race(path, n=1, show=False)).seconds
    print(f"{path:14} {alone[path] * 1000:6.0f} ms")

# %% [markdown]
# Nothing is slow here, and all the shop's tests pass. Then the shop opens.
#
# `lab.load` sends requests to several routes, in the order of the list and at a steady rate; `rate=20` means 20 per second.
# It doesn't wait for one response before it sends the next request. Prices are requested often, the report seldom.
# Sending takes five seconds, and it takes some more until the last request is answered.

# %%
traffic = ["/prices/{i}", "/cards/{i}", "/prices/{i}", "/flowers/{i}", "/prices/{i}", "/report",
           "/prices/{i}", "/cards/{i}", "/prices/{i}", "/flowers/{i}", "/thanks", "/cards/{i}"]
incident = await lab.load(traffic, seconds=5, rate=20)
lab.diagrams.loop("one slow line", ["GET /cards", "GET /thanks", "the canary"], blocked=True, note="Whichever request holds the thread, all the others pay for it.").show()

# %% [markdown]
# ### How to read this picture
#
# - Time runs from left to right. Each **lane** is a route; the canary is at the top, the event loop at the bottom.
# - A **column** is half a second. Its height says how long the requests of that half second waited.
#   Where there is none, no request was sent.
# - The floor of a lane is 1 millisecond, and each grey line is **ten times** the one below it: 10 ms, 100 ms, 1 s, and 10 s at the top.
#   Such a scale is called *logarithmic*. A column that is one grey line higher isn't a little longer, but ten times as long.
# - The full colour reaches up to **p50**, the pale part above it to **p95**, the palest to **p99** (explained below). If there were only a few requests, or all of them waited about equally long, nothing is pale.
# - The three numbers on the right are those of the whole load.
# - The dotted line in the canary's lane, at 100 ms, is the threshold of the alert. Where the canary's p99 is above it, the alert fires:
#   the column is hatched and has an `!`.
# - The event loop lane is hatched where it was blocked. The label names the line with the longest single block.
#
# That's a bad morning. Look at the lane of `/cards`: the endpoint waits for nothing, and its clients wait anyway.
#
# The **canary** requests a path that doesn't exist, again and again. It needs nothing but the loop,
# so its lane shows the health of the whole shop. It's also what a liveness probe experiences.
#
# ## p50, p95, p99
#
# Sort all waits, the shortest first, and take the one in the middle: that's the 50th
# **percentile**, p50. Half of the requests waited no longer. Of 100 requests, 95 waited no longer than p95, and 99 no longer than p99.
# Here are the canary's.

# %%
waits = sorted(seconds for _, seconds in incident.latencies())
for percent in (50, 95, 99):
    print(f"p{percent}: {waits[len(waits) * percent // 100] * 1000:6.0f} ms")
print(f"The average: {sum(waits) / len(waits) * 1000:.0f} ms.")

# %% [markdown]
# An average hides the slow requests, which is why alerts use percentiles. The waits of the slowest few per cent are called **tail latency**. p99 sounds rare, but a page that makes a dozen requests, opened ten times, makes more than a hundred.
# Percentiles can't be averaged: the p99 of a day isn't the mean of the p99s of its hours.
#
# ## A prediction
#
# The app has three lines that block: a call to the supplier of 0.06 s, a query of 0.15 s, and a sleep of 0.025 s.
# Which route has the line that does most harm? Write its name in the place of `None`, as in `"report"`, or leave it.

# %%
guess = lab.predict("the route that does most harm", None)

# %% [markdown]
# While the load ran, the lab measured the loop from inside: how long each **iteration** took, which is one pass through all callbacks that are ready,
# and which line was running. Here are the sums over the whole load, the worst first:

# %%
print(*incident.blockers, sep="\n")
guess.compare(incident.blockers[0].function.replace("price_of", "prices"))

# %% [markdown]
# **Harm** is *how long* times *how often*. The report has the longest single block, but it's rarely requested.
# The prices are fast, but every page needs them. (If a line with `await` is in the list, it did some ordinary work before its wait began.)
#
# ### Your turn
#
# How many requests for `/thanks`, per round of twelve, would it take until its 25 ms top this list? Calculate first, then try. With `None` the cell runs nothing.

# %%
more_thanks = None  # for instance 5

if more_thanks:
    other = await lab.load(traffic + more_thanks * ["/thanks"], seconds=4, rate=20, show=False)
    print(*other.blockers, sep="\n")
    print("/thanks does most harm now." if other.blockers[0].function == "thanks" else "Not yet.")

# %% [markdown]
# <details><summary>The calculation</summary>
#
# One round has five requests for prices, 5 × 0.06 s = 0.30 s, and one for the report, 0.15 s. `/thanks` passes them with more than 0.30 / 0.025 = 12 requests per round, so add 12
# or a few more to the one that is there.
#
# </details>
#
# ## The victim's own numbers
#
# Where is `/cards` in the list of blockers? Nowhere. It's the victim. Its owner looks at its span, the time that its own code took:

# %%
import json

cards = [request for request in incident.requests if request.route.startswith("/cards")]
spans = [json.loads(request.body)["span"] for request in cards]
longest = max(cards, key=lambda request: request.seconds)
print(f"The longest span of {len(cards)} cards: {max(spans) * 1000:8.2f} ms.")
print(f"The longest wait of a client for one: {longest.seconds * 1000:6.0f} ms.")

# %% [markdown]
# 1. A client requested a card. The request arrived in the socket, where the operating system keeps it until the app reads it.
# 2. The loop was blocked in `requests.get`, for another client, and read no socket.
# 3. The loop went on. Other requests were first, and some of them blocked it again.
# 4. At last `card` was called. Only *now* did its span begin, and it ended a moment later.
#
# The wait was over before the shop began to measure. So by its own measurements, the shop is doing fine during the incident.
# Measure from outside, as a client does, with a **canary**. Or measure the **loop lag**, as in lesson 11.
#
# ## Trap: what is easy to see
#
# Anyone who reads the code sees the `time.sleep` at once. So let's do what many do, and fix that first.
# `fix` changes one line of the file and serves it again. Then comes the same load, for about ten seconds.

# %%
from pathlib import Path

unfixed = Path("florist.py").read_text()

def fix(old, new):
    text = Path("florist.py").read_text()
    assert text.count(old) == 1, "this line is not in the file (any more): run the cell of the app again"
    Path("florist.py").write_text(text.replace(old, new))
    lab.serve("florist.py")

fix("    time.sleep(0.025)", "    await asyncio.sleep(0.025)")
easy = await lab.load(traffic, seconds=5, rate=20, show=False)
print(*easy.blockers, sep="\n")
print(f"The alert fired in {easy.alerts[0]} of {easy.alerts[1]} windows of half a second.")

# %% [markdown]
# The fix is correct, and the alert still fires. That line was far down in the list, and the lines at the top are still there.
#
# ## The fix, in order of harm
#
# First the prices. A thread for the blocking call, as in lesson 02. (About ten seconds again.)

# %%
fix('return {"price": price_of(flower)}', 'return {"price": await asyncio.to_thread(price_of, flower)}')
first = await lab.load(traffic, seconds=5, rate=20)
print(*first.blockers, sep="\n")

# %% [markdown]
# In total, the loop was blocked for less time. The alert may not have noticed, because it watches p99, and the slowest requests are now
# those behind a report. The order of the remaining lines may have changed, so measure again before you fix the next one.
#
# The report is the worst now. It blocks from its first line to its last, so it becomes a `def` endpoint. (About ten seconds again.)

# %%
fix("async def report():", "def report():")
second = await lab.load(traffic, seconds=5, rate=20)
print(*second.blockers or ["nothing for long"], sep="\n")

# %% [markdown]
# ## Before and after

# %%
print("of the canary            p50       p95       p99   blocked   alert fired")
for name, load in (("the incident", incident), ("the easy one", easy), ("the prices", first), ("the report", second)):
    p50, p95, p99 = (seconds * 1000 for seconds in load.percentiles().values())
    print(f"{name:16} {p50:8.0f}  {p95:8.0f}  {p99:8.0f} ms  {load.blocked_seconds:5.2f} s   in {load.alerts[0]} of {load.alerts[1]}")

# %% [markdown]
# Compare the first row with the last two. When you fix in order of harm, the loop is blocked for fewer seconds, and the wait of the usual request, p50, falls with them.
# The waits are measured by the clock, so a busy machine adds to them; the blocked seconds leave that out.
#
# Fix one line at a time and measure after each. That shows what each fix did,
# and when to stop: when the canary is flat.
#
# ## When to stop
#
# No shop is free of blocking. A small file, a page of HTML, a large response: each blocks the loop for a few milliseconds.
# What counts is the sum, and the longest single block. A line that blocks for 5 ms once a minute is at the end of the list. Leave it there.
#
# Set the threshold of the alert to a delay that your users notice, not to the lowest one that you can reach. And let it watch the canary rather than each route: a route may take
# as long as what it waits for.
#
# The core of the lesson ends here; the sections marked *Deeper* are optional.
#
# ## Deeper: why not run more workers?
#
# In every incident, a colleague proposes more processes. uvicorn has `--workers`, and each process has a loop of its own.
# Here several processes serve the shop as it was before all fixes, and four clients request the report of 0.15 seconds.
#
# ### Your turn
#
# Choose the number of workers, and predict how long the slowest of the four clients waits at least.

# %%
workers = None  # 2 if you leave it; try 1 and 4

# %%
import asyncio
import signal
import socket
import subprocess
import sys
import time
import httpx

Path("unfixed.py").write_text(unfixed)
with socket.create_server(("127.0.0.1", 0)) as listener:
    port = str(listener.getsockname()[1])
command = [sys.executable, "-m", "uvicorn", "unfixed:app", "--workers", str(workers or 2), "--port", port]
shop = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
patient = httpx.AsyncHTTPTransport(retries=8)
try:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, transport=patient) as client:
        await client.get("/cards/1")  # it has started
        began = time.perf_counter()
        reports = [asyncio.create_task(client.get("/report")) for _ in range(4)]
        waits = [(await report, time.perf_counter() - began)[1] for report in asyncio.as_completed(reports)]
finally:
    os.killpg(shop.pid, signal.SIGKILL)
    shop.wait()
print("The four clients waited", ", ".join(f"{wait:.2f} s" for wait in waits))

# %% [markdown]
# <details><summary>What holds in any case</summary>
#
# With two workers and four clients, at least two requests meet in the same process, and the second waits for the first: 0.30 seconds or more. The operating system doesn't distribute
# connections evenly, so it may be three, or all four, and even with four workers two may meet.
#
# </details>
#
# More processes shorten the queue, but each can still be blocked, and each needs its own memory, connections and caches.
#
# ## Deeper: which requests count?
#
# The lab sends only one canary at a time. Take two seconds: in the first the loop is blocked, and one canary waits
# all the time. In the second it's free, and fifty canaries are answered at once. How many clients had to wait?

# %%
fast = [0.001] * 50
sent = fast + [1.0]
would_have_come = fast + [1.0 - 0.02 * k for k in range(50)]
for name, counted in (("of the canaries that were sent", sent), ("of all that would have been sent", would_have_come)):
    print(f"{name}: {sum(wait > 0.1 for wait in counted)} of {len(counted)} waited longer than 100 ms")

# %% [markdown]
# If you count as in the first line, the worst seconds count least. That mistake is known as *coordinated omission*. So `latencies` counts every request that would have been sent while a canary waited,
# each with what was left of the wait.
#
# ## Deeper: what should a health probe check?
#
# | probe | the question | a good endpoint | mistakes that people report |
# |---|---|---|---|
# | liveness: *restart me?* | does the loop respond? | `async def` that returns a constant, with a timeout longer than your longest acceptable block | a timeout of 1 s next to blocking calls; a query in it, so that a slow database restarts healthy pods |
# | readiness: *send me requests?* | could I serve one now? | `async def` that checks what a request needs: a connection from the pool within a short time | returning OK always, while no thread or connection is free; a `def` probe, which itself waits for one of the 40 threads (lesson 09) |
# | startup: *am I still starting?* | is the model loaded? | the same as readiness, with more patience | none at all, so that liveness restarts a pod that is still loading |
#
# Making a probe more patient hides a blocked loop. It doesn't free it.
#
# ## What you have seen
#
# - Every request may be fast by itself, and the shop slow: harm is how long times how often.
# - A load shows what clients experience over time. Half of the requests wait no longer than p50; one in a hundred waits longer than p99.
# - The canary needs nothing but the loop, so it speaks for all routes.
# - The victim's own span is short. Measure from outside.
# - Sum up which lines blocked the loop, fix the first in the list, measure again.
# - A line that's easy to spot may do little harm.
# - Stop when the canary is flat.
# - *Deeper:* more processes shorten the queue, and fix nothing.
#
# ## Check yourself
#
# **1.** During an incident the CPU of the machine is almost idle, and the spans of all routes but two are short. What do you suspect?
#
# <details><summary>Answer</summary>
#
# These two block the loop with a wait, and a thread that waits uses no CPU. Their spans contain the blocking call, so they are long.
# The other requests wait before their spans begin.
#
# </details>
#
# **2.** A colleague proposes to run four processes of the app instead of one. What will the canary show?
#
# <details><summary>Answer</summary>
#
# The canary is late less often, but just as late as before whenever it reaches a blocked process. With four processes, the chance of that falls to a quarter at best.
# That buys time for the fix. It isn't the fix.
#
# </details>
#
# ## Words of this lesson
#
# - **alert**: a rule on a measurement that notifies the person on call.
# - **percentile, p99**: the value that 99 % of the measurements don't exceed.
# - **latency**: the time from a request to its response, as the client measures it.
# - **tail latency**: the latency of the slowest few per cent of the requests, for example p99.
# - **span**: the time that a piece of the service's own code took, as tracing records it.
# - **load**: requests that arrive at their own rate, whether or not earlier ones are answered.
# - **worker**: one of several processes that serve the same app.
# - **liveness probe, readiness probe**: the requests by which Kubernetes decides whether to restart a container, and whether to send it requests.
#
# ## Further reading
#
# - Gil Tene, [How NOT to Measure Latency](https://www.youtube.com/watch?v=lJ8ydIuPFeU), a talk on coordinated omission.
# - [Monitoring Distributed Systems](https://sre.google/sre-book/monitoring-distributed-systems/), in Google's book on site reliability: what an alert should watch.
# - Kubernetes, [Liveness, readiness and startup probes](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/)
#
# Next: the exercise, in the notebook `exercise_13_the_incident.ipynb` next to this one. It has twelve routes, and you are on call.
