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
# This lesson takes about 25 minutes. You need the lessons before this one. You know what blocks a loop, and how each kind is repaired.
# What you do not know yet is where to begin when there are many.
#
# You will see
#
# - a shop in which every request is quick by itself, and a **pager** that rings: the thing that wakes up whoever has to repair the shop;
# - a **load**: guests who come to all routes over some seconds, and what they feel, drawn live;
# - three numbers by which waits are judged, and what they mean: p50, p95, p99;
# - why the shop's own measurements do not show it;
# - the method: measure first, repair what does most harm, measure again;
# - a trap: repairing first what is easy to see;
# - what more processes do for it, and what they do not;
# - when to stop.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## The shop
#
# A florist's app asks an HTTP service for prices, and a database for the report of the day. The next cell starts both,
# for this notebook only. That takes a few seconds.

# %%
import os

from autograder import services

for name in ("upstream", "postgres"):
    os.environ.update(services.get(name).environment)

# %% [markdown]
# The app has five **routes**, that is paths with an endpoint each. Three of them block the loop, and two are as they should be.
# `/cards` waits for nothing at all. Its answer says how long its own work took, from its first line to its last: its **span**.
# Do not search yet.

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
# ## What goes wrong
#
# First one guest at a time, as a developer tries it out:

# %%
alone = {}
for path in ("/prices/rose", "/flowers/rose", "/report", "/thanks", "/cards/1"):
    alone[path] = (await lab.race(path, n=1, show=False)).seconds
    print(f"{path:14} {alone[path] * 1000:6.0f} ms")

# %% [markdown]
# Nothing is slow here. All the tests of the shop pass. Then it opens.
#
# `lab.load` sends guests to several routes, in the order of the list and at a steady rate. `rate=20` means 20 a second.
# No guest waits for the one before: whoever is due comes. Prices are asked for often, the report seldom.
# Guests come for five seconds, and it takes some seconds more until the last of them is answered.

# %%
guests = ["/prices/{i}", "/cards/{i}", "/prices/{i}", "/flowers/{i}", "/prices/{i}", "/report",
          "/prices/{i}", "/cards/{i}", "/prices/{i}", "/flowers/{i}", "/thanks", "/cards/{i}"]
incident = await lab.load(guests, seconds=5, rate=20)

# %% [markdown]
# ### How to read this picture
#
# - Time runs from left to right. Each **lane** is a route; at the top is the canary, at the bottom the event loop.
# - A **column** is half a second, also called a *window*. Its height says how long the guests of that half second waited.
#   Where there is none, nobody came.
# - The floor of a lane is 1 millisecond, and each grey line is **ten times** the one below it: 10 ms, 100 ms, 1 s, and 10 s at the top.
#   Such a scale is called *logarithmic*. A column that is one grey line higher is not a little more, but ten times as long.
# - The full colour reaches up to **p50**: half of the guests waited no longer than that. The pale part above it reaches up to **p95**: 95 of 100
#   waited no longer. The palest reaches up to **p99**: 99 of 100. Where few came, or all waited alike, there is nothing pale.
# - The three numbers on the right say the same for the whole load.
# - The dotted line in the lane of the canary is the **pager's**, at 100 ms. Where the canary's p99 lies above it, the pager rings:
#   the column is hatched and has an `!`.
# - The lane of the loop is the one that you know from races: hatched where it was blocked. The words name the line that held it longest in one go.
#
# That is a bad morning. Look at the lane of `/cards`: it waits for nothing, and its guests wait all the same.
#
# The **canary** asks for a path that does not exist, again and again. It needs nothing but the loop.
# So its lane is the health of the whole shop in one line.
#
# ## p50, p95, p99
#
# A pager does not look at averages. Sort all the waits of some minutes, the shortest first, and take the one in the middle: that is the 50th
# **percentile**, p50. Half of the guests waited no longer. Of 100 guests, 95 waited no longer than p95, and 99 no longer than p99.
# Here are those of the canary.

# %%
waits = sorted(seconds for _, seconds in incident.latencies())
for percent in (50, 95, 99):
    print(f"p{percent}: {waits[len(waits) * percent // 100] * 1000:6.0f} ms")
print(f"The average: {sum(waits) / len(waits) * 1000:.0f} ms. Who waits as long as the average?")

# %% [markdown]
# p99 sounds like a rare misfortune. But a page of the shop makes a dozen requests. Whoever opens ten pages has probably met it.
#
# Percentiles have a trap of their own: they cannot be averaged. The p99 of a day is not the mean of the p99s of its hours.
#
# The measurement has a trap, too. There is only one canary at a time. Take two seconds: in the first the loop is blocked, and one canary waits
# all the time. In the second it is free, and fifty canaries are answered at once. How many guests had to wait?

# %%
quick = [0.001] * 50
sent = quick + [1.0]
would_have_come = quick + [1.0 - 0.02 * k for k in range(50)]
for name, waits in (("of the canaries that were sent", sent), ("of all who would have come", would_have_come)):
    print(f"{name}: {sum(wait > 0.1 for wait in waits)} of {len(waits)} waited longer than 100 ms")

# %% [markdown]
# Counted as in the first line, the worst seconds weigh least. So `latencies` counts everybody who would have come while a canary waited,
# each with what was left of the wait.
#
# ## A prediction
#
# The app has three lines that block: a question to the supplier of 0.06 s, a query of 0.15 s, and a sleep of 0.025 s.
# On which route is the line that does most harm? Write its name in the place of `None`, as in `"report"`, or leave it.

# %%
guess = lab.predict("the route that does most harm", None)

# %% [markdown]
# The lab watched the loop from inside while the load ran. A **turn** of the loop is all that it does between two looks at what is due.
# The lab noted how long each turn took, and which line was running. Here is the sum over the whole load, the greatest harm first:

# %%
print(*incident.blockers, sep="\n")
guess.beside(incident.blockers[0].function.replace("price_of", "prices"))

# %% [markdown]
# **Harm** is *how long* times *how often*. The report holds the loop longest each time, but it is asked for seldom.
# The prices are quick, and everybody wants them. (A line with `await` at the end of the list is ordinary work before the wait begins.)
#
# ## Who waited for whom
#
# And where does `/cards` stand in this list? Nowhere. It is the victim. Its owner looks at its span, the time that its own code took:

# %%
import json

cards = [request for request in incident.requests if request.route.startswith("/cards")]
spans = [json.loads(request.body)["span"] for request in cards]
longest = max(cards, key=lambda request: request.seconds)
print(f"The longest span of {len(cards)} cards: {max(spans) * 1000:8.2f} ms.")
print(f"The longest wait of a guest for one: {longest.seconds * 1000:6.0f} ms.")

# %% [markdown]
# 1. A guest asked for a card. The request lay in the socket, where the operating system keeps what has arrived.
# 2. The loop stood still in `requests.get`, for another guest. Nobody looked at the socket.
# 3. The loop came back. Other guests were first, and some of them asked for prices.
# 4. At last `card` was called. *Now* its span began. It ended a moment later.
#
# The wait was over before the shop began to measure. So what the shop measures of itself is excellent during the incident.
# Measure from outside, as a guest does, with a **canary**. Or measure the loop itself: its **lag**, that is, how late it gets to what is due.
#
# ## The trap: what is easy to see
#
# Whoever reads the code sees the `time.sleep` at once. So let us do as many do, and repair that first.
# `repair` changes one line of the file and serves it again. Then comes the same load, for about ten seconds.

# %%
from pathlib import Path

unrepaired = Path("florist.py").read_text()

def repair(old, new):
    text = Path("florist.py").read_text()
    assert text.count(old) == 1, "this line is not in the file (any more): run the cell of the app again"
    Path("florist.py").write_text(text.replace(old, new))
    lab.serve("florist.py")

repair("    time.sleep(0.025)", "    await asyncio.sleep(0.025)")
easy = await lab.load(guests, seconds=5, rate=20, show=False)
print(easy.sentence)

# %% [markdown]
# An honest repair, and the pager still rings. The line was last in the list. (Where a loop has almost no free time, any repair shortens the
# queue a little, so the numbers may move. Look at what is left in the list.)
#
# ## The repair, in order of harm
#
# First the prices. A thread for the blocking call, as in lesson 02. (About ten seconds again.)

# %%
repair('return {"price": price_of(flower)}', 'return {"price": await asyncio.to_thread(price_of, flower)}')
first = await lab.load(guests, seconds=5, rate=20)
print(*first.blockers, sep="\n")

# %% [markdown]
# The loop is blocked for much less time in all, and most guests are served at once. Does the pager know? Perhaps not: the slowest waits
# are now those behind a report, and p95, p99 and the pager look at the slowest. What is left has a new order: measure again before you
# repair the next one.
#
# The report is the worst now. It is blocking from its first line to its last, so it becomes a `def` endpoint. (About ten seconds again.)

# %%
repair("async def report():", "def report():")
second = await lab.load(guests, seconds=5, rate=20)
print(*second.blockers or ["nobody for long"], sep="\n")

# %% [markdown]
# ## Before and after

# %%
print("of the canary            p50       p95       p99   blocked   pager")
for name, load in (("the incident", incident), ("the easy one", easy), ("the prices", first), ("the report", second)):
    p50, p95, p99 = (seconds * 1000 for seconds in load.percentiles().values())
    print(f"{name:16} {p50:8.0f}  {p95:8.0f}  {p99:8.0f} ms  {load.blocked_seconds:5.2f} s   rang in {load.rings[0]} of {load.rings[1]}")

# %% [markdown]
# Follow the seconds for which the loop was blocked, and p50: they fall with each repair in order of harm. p95 and the pager fall last,
# because one line that holds the loop for long is enough to make it ring.
#
# Repair one line at a time, and measure after each. So you know which repair did what,
# and you stop when the canary is flat. On a machine with much other work a canary is late at times, whatever the app does.
#
# ## Two processes instead of a repair
#
# In every incident somebody says: run more processes. uvicorn can, with `--workers`. Each process has a loop of its own.
# Here the shop as it was before all repairs is served by two, and four guests ask for the report of 0.15 seconds. Then the processes are ended.

# %%
import asyncio
import signal
import socket
import subprocess
import sys
import time
import httpx

Path("unrepaired.py").write_text(unrepaired)
with socket.create_server(("127.0.0.1", 0)) as door:
    port = str(door.getsockname()[1])
command = [sys.executable, "-m", "uvicorn", "unrepaired:app", "--workers", "2", "--port", port]
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
print("The four guests waited", ", ".join(f"{wait:.2f} s" for wait in waits))

# %% [markdown]
# Four guests and two loops: at least two guests meet the same loop, and the second of them waits for the first. Nobody shares them out evenly,
# so it may be three, or all four. Two processes make the queue shorter. They do not make the wait harmless.
#
# ## When to stop
#
# No shop is free of blocking. A small file, a page of HTML, a large answer: each holds the loop for a few milliseconds.
# What counts is the sum, and the longest single block. A line that blocks for 5 ms once a minute is at the end of the list. Leave it there.
#
# Set the pager by what your guests feel, not by what is possible. And let it look at the canary, not at each route: a route may take
# as long as what it waits for.
#
# ## What you have seen
#
# - Every request may be quick by itself, and the shop slow: harm is how long times how often.
# - A load shows what guests feel over time. p50 is the usual guest, p99 the unlucky one who calls you.
# - The canary needs nothing but the loop, so it speaks for all routes.
# - The victim's own span is short. Measure from outside.
# - Sum up who blocked the loop, repair the first in the list, measure again.
# - What is easy to see need not matter.
# - More processes shorten the queue, and repair nothing.
# - Stop when the canary is flat.
#
# ## Check yourself
#
# **1.** During an incident the CPU of the machine is almost idle, and the spans of all routes but two are short. What do you suspect?
#
# <details><summary>Answer</summary>
#
# The loop is blocked by those two: it waits, and a thread that waits uses no CPU. Their spans hold the blocking call, so they are long.
# The others wait before their spans begin.
#
# </details>
#
# **2.** Somebody proposes to run four processes of the app instead of one. What will the canary say?
#
# <details><summary>Answer</summary>
#
# It will be late less often, and as late as before whenever it meets a process that stands still. The harm is divided by four at best, and so is every
# guest's chance of meeting it. It buys time for the repair. It is not the repair.
#
# </details>
#
# ## Further reading
#
# - Gil Tene, [How NOT to Measure Latency](https://www.youtube.com/watch?v=lJ8ydIuPFeU), a talk: why those who would have come must be counted ("coordinated omission").
# - [Monitoring Distributed Systems](https://sre.google/sre-book/monitoring-distributed-systems/), in Google's book on site reliability: what a pager should look at.
# - The exercise of this lesson: `exercise_13_the_incident.ipynb`. Twelve routes, and you are on call.
