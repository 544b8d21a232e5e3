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
# # Testing for it
#
# This lesson takes about 25 minutes. You need lessons 01, *Sleeping*, and 02, *Calling HTTP*. You should have written a test with pytest before.
#
# You will see
#
# - the test that everybody writes first, run against endpoints whose truth we know;
# - a test client that hides blocking;
# - a test without a stopwatch, built step by step: a real server, a supplier that waits for the test, requests that meet there, a canary;
# - the same test on a busy machine;
# - what it cannot see;
# - when not to bother.
#
# You have repaired an endpoint. Next month a colleague adds one line to it. Who notices?
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## Endpoints whose truth we know
#
# Two of these are honest, three are not: one blocks, one blocks for a part of its time, one does not work at all.

# %%
# %%app known.py
import asyncio
import time
from fastapi import FastAPI
app = FastAPI()

@app.get("/awaits")
async def awaits(wait: float):
    await asyncio.sleep(wait)

@app.get("/thread")
async def in_a_thread(wait: float):
    await asyncio.to_thread(time.sleep, wait)

@app.get("/blocks")
async def blocks(wait: float):
    time.sleep(wait)

@app.get("/partly")
async def blocks_partly(wait: float):
    await asyncio.sleep(wait)
    time.sleep(0.08)

@app.get("/broken")
async def broken():
    raise ValueError("it never worked")


# %% [markdown]
# ## What goes wrong
#
# This is the test. Ten requests together: if they wait side by side, they take as long as one, so all must be done within two seconds.

# %%
# %%keep test_by_the_clock.py
import asyncio
import os
import time
import httpx
import pytest

async def ten_requests(path):
    async with httpx.AsyncClient(base_url=os.environ["APP_URL"]) as client:
        await asyncio.gather(*(client.get(path) for _ in range(10)))

@pytest.mark.parametrize("path", os.environ["PATHS"].split())
def test_ten_requests(path):
    began = time.perf_counter()
    asyncio.run(ten_requests(path))
    duration = time.perf_counter() - began
    assert duration < 2.0


# %% [markdown]
# `parametrize` runs the test once for each path. The next cell defines a function that starts pytest as a program of its own, as you would
# in a terminal. With `-rA` pytest prints a line for each run, which begins with `PASSED` or `FAILED`, and with `--durations` how long it took.
# The last line of the function collects the verdicts; `output` keeps the whole text.

# %%
import os
import re
import subprocess
import sys

def pytest(file, **environment):
    """Run pytest on a file; returns {parameter: "passed" or "failed"}."""
    global output
    words = ["-p", "no:cacheprovider", "--tb=no", "--color=no", "-rA", "-q", "--durations=0", "--durations-min=0", file]
    wide = os.environ | {"COLUMNS": "200"} | environment
    output = subprocess.run([sys.executable, "-m", "pytest", *words], env=wide, capture_output=True, text=True).stdout
    return {name: word.lower() for word, name in re.findall(r"^(PASSED|FAILED) \S+?\[(.*?)\]", output, re.M)}

# %% [markdown]
# ## A prediction
#
# Nine paths, and what we know of each. How many of the nine verdicts will be right? Write your number in the place of `None`, or leave it.

# %%
guess = lab.predict("right verdicts, of nine", None)

TRUTH = {"/awaits?wait=0.2": "honest", "/awaits?wait=2.2": "honest, and slow", "/thread?wait=1": "honest",
         "/blocks?wait=0.25": "blocks", "/blocks?wait=0.1": "blocks", "/partly?wait=0.5": "blocks partly",
         "/broken": "broken", "/nowhere": "there is no such path", "/blocks?wait=0.7": "blocks"}

# %% [markdown]
# The next cell runs the test on all nine, one after the other. It takes a quarter of a minute or more.

# %%
clock = pytest("test_by_the_clock.py", APP_URL=lab.current().url, PATHS=" ".join(TRUTH))
right = [path for path in TRUTH if (clock[path] == "passed") == TRUTH[path].startswith("honest")]
took = {path: float(seconds) for seconds, path in re.findall(r"^([\d.]+)s call +\S+?\[(.*?)\]", output, re.M)}
reasons = dict(re.findall(r"^FAILED \S+?\[(.*?)\] - ([\w.]+)", output, re.M))
for path, truth in TRUTH.items():
    verdict = f"{clock[path]} {reasons.get(path, '')}"
    print(f"{path:18} {truth:22} {took[path]:5.2f} s  {verdict:24} {'' if path in right else '<-- wrong'}")
guess.beside(len(right))

# %% [markdown]
# Each wrong verdict has its own reason.
#
# - **A short block is quick.** Ten times 0.1 seconds are less than two. The test sees a sum, and a sum of small things is small.
# - **Honest and slow is slow.** Nobody is held up by an endpoint that awaits for 2.2 seconds. The test fails all the same.
# - **A pool is a queue.** `to_thread` has four threads more than the machine has cores: six on two cores. Ten waits of one second are two rounds then.
#   Did the test fail on your machine? It depends on its cores.
# - **Nobody looked at the answers.** An error is very quick. `/broken` passes, and so does `/nowhere`, a path that the app does not have.
#
# One right verdict has the wrong reason. Ten blocks of 0.7 seconds are seven seconds, but httpx waits for five at most. So the test ended
# in a `ReadTimeout`, and never came to the line with `assert`. Whoever reads that suspects the network.
#
# And on a busy machine all of it moves. What passes here fails there. A test that fails without a reason is switched off before long.
#
# So why not look at the clock more cleverly: at how many times as long as one request all ten take, or with a smaller limit?
# Then other honest endpoints fail, and other blockers pass. The clock tells how long something took. It does not tell who waited for whom.
#
# ## Two clients that mislead
#
# FastAPI's documentation tests with `TestClient`. It calls the app without a server, in the process of the test.
# Used outside of a `with`, it runs a new event loop for every call. Ten calls from ten threads have ten loops, and none is in the way of another.
# The next file makes such ten calls, first outside of a `with` and then inside, and prints the seconds.
#
# The cell after it asks `/awaits`, which blocks nobody, through `ASGITransport`. With it, httpx calls the app on the loop of the test, here that of
# the notebook. On that same loop the *test* does some work in line.

# %%
# %%keep hiding.py
import time
from concurrent.futures import ThreadPoolExecutor
from fastapi.testclient import TestClient
from known import app

def ten_calls(client):
    began = time.perf_counter()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(client.get, ["/blocks?wait=0.2"] * 10))
    return time.perf_counter() - began

print(ten_calls(TestClient(app)))
with TestClient(app) as client:
    print(ten_calls(client))


# %%
import asyncio
import time

import httpx
import known

printed = subprocess.check_output([sys.executable, "-W", "ignore", "hiding.py"], text=True)
outside, inside = map(float, printed.split())
print(f"Ten blocking calls took {outside:.2f} s outside of a with, and {inside:.2f} s inside.")

async with httpx.AsyncClient(transport=httpx.ASGITransport(known.app), base_url="http://app") as client:
    began = time.perf_counter()
    asked = asyncio.create_task(client.get("/awaits?wait=0.05"))
    await asyncio.sleep(0)
    sum(n * n for n in range(5_000_000))  # the test prepares what it will compare with
    await asked
    shared = time.perf_counter() - began
print(f"An honest wait of 0.05 s took {shared:.2f} s on the loop of the test.")

# %% [markdown]
# Outside, the blocking app looks as if it served all side by side. And whoever shares a loop with the app measures their own client, too.
# Your users have one loop, and it is the app's alone. So the test needs what they have: a server, in a process of its own.
#
# ## What can be known without a clock
#
# Think of four guests and one supplier. The app asks the supplier for each of them. And the supplier is ours: it belongs to the test.
# It keeps everybody waiting until we say so.
#
# - If **four questions** stand before the supplier at one moment, four requests are under way side by side. That is no estimate. We see them.
# - While they stand there, we send a **canary**: a request that asks for nothing. If it is answered, the loop is free. Nothing else can have answered it.
# - Then we let them go, and look whether everyone gets **their own answer**.
#
# Requests that meet like this at the supplier's have a **rendezvous**. You know it from the checks of the exercises.
#
# A slow machine makes all that later. It does not make it different. Only a limit remains: how long do we wait for the four before we say
# that they will never come? That may be long, because only a bad app makes us wait that long.
#
# ## Step 1: a supplier that waits
#
# This is a small HTTP server on the test's own loop. The app runs in another process, so the two cannot be in each other's way.
#
# - `start_server` calls `reply` for every connection, with a `reader` for what comes in and a `writer` for what goes out. Port 0 means: any that is free.
# - `request.split()[1]` is the path, for a request begins with `GET /items/tea HTTP/1.1`.
# - The **gate** is an `asyncio.Event`: whoever awaits it waits until somebody sets it.

# %%
# %%keep supplier.py
import asyncio
import json

class Supplier:
    """Answers GET /items/<token>, and nobody before the test has opened the gate."""

    async def __aenter__(self):
        self.arrived, self.gate = [], asyncio.Event()
        self.server = await asyncio.start_server(self.reply, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error):
        self.gate.set()
        self.server.close()

    async def reply(self, reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        token = request.split()[1].decode().split("/")[-1]
        self.arrived.append(token)
        await self.gate.wait()
        body = json.dumps({"item": token, "price": len(token)}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()


# %% [markdown]
# ## Step 2: a server in a process of its own
#
# The app is served by **uvicorn**, the server with which most FastAPI apps are run. It finds the supplier's address in the environment,
# as it does in production.
#
# The test opens the door itself: a socket on a free port. Every open file and socket of a process has a number, and with that number (`--fd`)
# uvicorn is told which socket to use. So nobody has to wait until the server is there: whoever comes early waits in front of the door.
# (On Windows a socket is not handed over like that. There, choose a port, and try until somebody answers.)

# %%
# %%keep serving.py
import os
import socket
import subprocess
import sys
from contextlib import contextmanager

@contextmanager
def served(app, **environment):
    """Serve an app, named as for uvicorn, in a process of its own; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port, number = door.getsockname()[1], door.fileno()
        command = [sys.executable, "-m", "uvicorn", app, "--fd", str(number), "--log-level", "error"]
        process = subprocess.Popen(command, pass_fds=[number], env=os.environ | environment)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


# %% [markdown]
# ## An app with many faces
#
# To test a test, one needs apps whose truth is known. The next three cells make eight apps, which ask the supplier in different ways.
# Read the names; what each does is said below the cells. The variable `WAY` says which one an app is.

# %%
# %%keep ways.py
import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
import requests

pool, turn, under_way = ThreadPoolExecutor(8), asyncio.Lock(), []

def ask(token):
    return requests.get(f"{os.environ['UPSTREAM_URL']}/items/{token}").json()

async def threads(token):  # honest
    return await asyncio.to_thread(ask, token)

async def slow(token):  # honest
    await asyncio.sleep(2.2)
    return await threads(token)

async def blocking(token):
    return ask(token)

async def in_turns(token):
    async with turn:
        return await threads(token)


# %%
# %%keep more_ways.py
import time
import ways
from ways import asyncio, ask, pool, threads, under_way

def in_def(token):  # honest
    return ask(token)

async def impatient(token):
    under_way.append(token)
    job = pool.submit(ask, token)
    return await asyncio.wrap_future(job) if len(under_way) < 4 else job.result()

async def mixed_up(token):
    ways.last = token
    return await threads(token) | {"item": ways.last}

async def short_block(token):
    time.sleep(0.05)
    return await threads(token)


# %%
# %%keep shop.py
import os
import more_ways
import ways
from fastapi import FastAPI

app = FastAPI()
way = os.environ["WAY"]
app.get("/quotes/{token}")(getattr(ways, way, None) or getattr(more_ways, way))

@app.get("/health")
async def health():
    return {"ok": True}


# %% [markdown]
# - `threads`, `slow` and `in_def` are honest. `slow` waits for more than two seconds of its own before it asks.
# - `blocking` waits for the supplier on the loop.
# - `in_turns` leaves the loop free, and serves one request at a time.
# - `impatient` asks in threads, and awaits them for three requests. From the fourth on it calls `.result()`, and the loop stands still.
# - `mixed_up` gives everyone the name of the one who came last.
# - `short_block` holds the loop for 0.05 seconds for each request. We come back to it.
#
# ## Step 3: they meet
#
# The first version of our test asks for one thing: that four questions stand before the supplier at one moment.

# %%
# %%keep test_they_meet.py
import asyncio
import os
import httpx
import pytest
from serving import served
from supplier import Supplier

async def four_meet(url, supplier):
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        await client.get("/health")  # it has started
        asked = [asyncio.create_task(client.get(f"/quotes/{token}")) for token in ("tea", "milk", "cake", "jam")]
        async with asyncio.timeout(8):
            while len(supplier.arrived) < 4:
                await asyncio.sleep(0.01)
        supplier.gate.set()
        await asyncio.gather(*asked)

@pytest.mark.parametrize("way", os.environ["WAYS"].split())
def test_four_meet(way):
    async def run():
        async with Supplier() as supplier:
            with served("shop:app", UPSTREAM_URL=supplier.url, WAY=way) as url:
                await four_meet(url, supplier)
    asyncio.run(run())


# %% [markdown]
# The tasks are started and not awaited: they are to be under way while the test looks at something else. `asyncio.timeout` raises `TimeoutError`
# after eight seconds. Then the test fails.
#
# The next cell tries it on seven apps. It takes half a minute or more: the test waits out its eight seconds for an app that holds requests up.

# %%
HONEST = ["threads", "slow", "in_def"]
OTHERS = ["blocking", "in_turns", "impatient", "mixed_up"]

def verdicts(file, ways):
    said = pytest(file, WAYS=" ".join(ways))
    for way in ways:
        print(f"{way:12} {'honest' if way in HONEST else '':7} {said[way]}")
    return said

meeting = verdicts("test_they_meet.py", HONEST + OTHERS)

# %% [markdown]
# The slow one passes. Two are caught. Two have slipped through: with `impatient` four do meet, and with `mixed_up` as well.
#
# ## Steps 4 and 5: a canary, and the answers
#
# While all four wait, the canary must be answered. Its time is limited, too. Then the gate is opened, and everyone must get what they asked for.
# `/health` is the canary here: it waits for nothing.

# %%
# %%keep test_side_by_side.py
import asyncio
import os
import httpx
import pytest
from serving import served
from supplier import Supplier

@pytest.mark.parametrize("way", os.environ["WAYS"].split())
def test_side_by_side(way):
    asyncio.run(side_by_side("shop:app", WAY=way))

async def side_by_side(app, **environment):
    async with Supplier() as supplier, httpx.AsyncClient(timeout=60) as client:
        with served(app, UPSTREAM_URL=supplier.url, **environment) as url:
            await client.get(f"{url}/health")  # it has started
            asked = {t: asyncio.create_task(client.get(f"{url}/quotes/{t}")) for t in ("tea", "milk", "cake", "jam")}
            async with asyncio.timeout(8):
                while len(supplier.arrived) < 4:
                    await asyncio.sleep(0.01)
            async with asyncio.timeout(8):
                assert (await client.get(f"{url}/health")).json() == {"ok": True}
            supplier.gate.set()
            for token, answer in asked.items():
                assert (await answer).json() == {"item": token, "price": len(token)}


# %% [markdown]
# The same seven apps. Again this takes half a minute or more.

# %%
final = verdicts("test_side_by_side.py", HONEST + OTHERS)

# %% [markdown]
# Every honest app passes, and no other. No stopwatch decides it. Only apps that fail anyway ever reach the limits of eight seconds.
#
# Why four, and not fifty? `to_thread` may have only five threads on a small machine, and `def` endpoints share forty. Fifty would accuse them. If your
# app is to serve fifty at a time, then say so in the test: it is a promise of yours, and not of the loop.
#
# ## On a busy machine
#
# Now there are processes beside the tests that do nothing but compute: as many as this machine has cores, and two more.
# Both tests look at honest apps. The next cell takes about a minute, or two where the machine is busy already, and everything else is slow meanwhile.

# %%
hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() + 2)]
try:
    pressed = pytest("test_side_by_side.py", WAYS=" ".join(HONEST))
    timed = pytest("test_by_the_clock.py", APP_URL=lab.current().url, PATHS="/thread?wait=0.6 /awaits?wait=1.5")
finally:
    for hog in hogs:
        hog.kill()
        hog.wait()
print("Our test:", pressed)
print("The test by the clock:", timed)

# %% [markdown]
# Ours says the same as before. What the other one says changes from machine to machine, and from day to day: it may have passed just now.
# Run the cell again, or add hogs, until it fails.
#
# ## The trap: what this test does not see
#
# There is one way left, `short_block`. The next cell takes some seconds.

# %%
short = verdicts("test_side_by_side.py", ["short_block"])

# %% [markdown]
# It blocks the loop for 0.05 seconds with each request, and passes. All four arrive, only a little later. The canary is answered,
# because at that moment nothing is blocked. A block that ends by itself, before or after the wait, leaves no trace in the order of events.
#
# For such blocks somebody has to look at the clock of the loop itself, and to subtract what the machine is to blame for. That is what the lane
# does, and so do the checks of this course. You know other tools for them from lesson 11: ruff and blockbuster need no clock at all.
# So in CI, on the machine that tests every change: ruff for the names, this test for the promise.
#
# ## When not to bother
#
# - **Not every endpoint needs such a test.** Choose one for each kind of waiting: the database, the supplier, the queue. Blocking
#   comes in through what they share.
# - **An app of `def` endpoints** has hardly anything on its loop. What it needs is a test of its pools.
# - **A script** has no other requests.
#
# ## What you have seen
#
# - A test by the clock passes what blocks for a short time and what is broken. It fails what is honest and slow, and its verdict changes with the load.
# - `TestClient` outside of a `with` has a loop for each call, and hides blocking. A client on the app's own loop measures itself.
# - A supplier of your own, which answers when the test lets it, shows who is under way at one moment. That is seen, and not estimated.
# - A canary that is answered while all others wait shows that the loop is free.
# - Everyone must get their own answer. Look at it.
# - A short block that ends by itself is not seen like that. Other tools see it.
#
# ## Check yourself
#
# **1.** Somebody shortens the test: the supplier is open from the start, and the four requests are sent with `gather`. The canary goes with them.
# What does the test still see?
#
# <details><summary>Answer</summary>
#
# Hardly anything. With a supplier that answers at once, four requests one after the other are as right as four together. Nobody has to meet, so nobody
# is seen to.
#
# </details>
#
# **2.** Your app asks a database and no HTTP supplier. How do you hold the answers back?
#
# <details><summary>Answer</summary>
#
# Let the test take a lock that the app's query needs, on the row or the table, and look into `pg_stat_activity` until four are waiting for it. Then release it.
# Each service has its own way to make somebody wait: in Redis a `BLPOP` from an empty list, for files a *named pipe*, a file whose reader waits
# until somebody writes.
#
# </details>
#
# ## Further reading
#
# - FastAPI, *Testing*: https://fastapi.tiangolo.com/tutorial/testing/
# - Starlette, *Test Client*: https://starlette.dev/testclient/
# - pytest, *How to parametrize*: https://docs.pytest.org/en/stable/how-to/parametrize.html
# - Python, *Streams* in asyncio, for the supplier: https://docs.python.org/3/library/asyncio-stream.html
#
# To take home: `supplier.py`, `serving.py` and `test_side_by_side.py` are beside this notebook. They need pytest, httpx and uvicorn, and nothing of this course.
#
# Next: the exercise of this lesson, in the notebook `exercise_12_testing_for_it.ipynb` beside this one. There your test is tested.
