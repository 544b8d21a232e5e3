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
# # Finding it
#
# This lesson takes about 25 minutes. You need lesson 01, *Sleeping*: you know what a blocked event loop is, and what the canary shows.
#
# You will see
#
# - a service that somebody else wrote, about which you are told only that it is slow;
# - six tools that look for blocking code: one that reads it, and five that watch it run;
# - a table of what each of them finds and misses, made by running them on the same endpoints;
# - thresholds: why the same tool finds much or little;
# - a **watchdog** for a service in production, a few lines that bark when the loop is late, and name the line; and a gauge, which says how late;
# - when not to bother.
#
# So far you knew where the mistake was. It stood in the one endpoint on the screen. In a real service you have three hundred
# endpoints and a message: *it is slow sometimes*.
#
# The next cell brings in the tools of the course. It also starts two services that the app of this lesson asks, a supplier over HTTP and
# a PostgreSQL database. That takes a few seconds.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
import os

from autograder import lab, services
# %load_ext autograder.lab

for service in ("upstream", "postgres"):
    os.environ.update(services.get(service).environment)

# %% [markdown]
# ## Somebody else's service
#
# The service has five files with endpoints. An `APIRouter` is a part of an app: it collects the endpoints of one file,
# and the app takes them over with `include_router`. `%%keep` saves a cell as a file and runs nothing.
#
# In the first file they wait for another service or a program. In the second they wait for something inside the process:
# a sleep, a thread, a lock.

# %%
# %%keep outside.py
import os
import subprocess
import psycopg2
import requests
from fastapi import APIRouter

router = APIRouter()

@router.get("/http")
async def ask_supplier():
    requests.get(os.environ["UPSTREAM_URL"] + "/items/tea?wait=0.12")

@router.get("/query")
async def ask_database():
    psycopg2.connect(os.environ["DATABASE_URL"]).cursor().execute("SELECT pg_sleep(0.12)")

@router.get("/command")
async def run_program():
    subprocess.run(["sleep", "0.12"])

@router.get("/system")
async def run_in_shell():
    os.system("sleep 0.12")


# %%
# %%keep inside.py
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fastapi import APIRouter

router, pool, lock = APIRouter(), ThreadPoolExecutor(2), threading.Lock()
lock.acquire()  # somebody holds it all the time

@router.get("/sleep")
async def sleep():
    time.sleep(0.12)

@router.get("/short")
async def short_sleep():
    time.sleep(0.04)

@router.get("/result")
async def wait_for_thread():
    pool.submit(time.sleep, 0.12).result()

@router.get("/lock")
async def wait_for_lock():
    lock.acquire(timeout=0.12)


# %% [markdown]
# The third has a sleep that stands two calls down, and a queue. The fourth computes.

# %%
# %%keep deeper.py
import queue
import time
from fastapi import APIRouter

router, jobs = APIRouter(), queue.Queue()

def nap():
    time.sleep(0.12)
def rest():
    nap()

@router.get("/helper")
async def sleep_two_calls_down():
    rest()

@router.get("/queue")
async def wait_for_job():
    try:
        jobs.get(timeout=0.12)
    except queue.Empty:
        return "no job"


# %%
# %%keep busy.py
import hashlib
import json
from fastapi import APIRouter

router = APIRouter()
rows = [{"row": n, "text": "x" * 20} for n in range(300_000)]

@router.get("/hash")
async def hash_password():
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 600_000)

@router.get("/python")
async def compute():
    sum(n * n for n in range(2_000_000))

@router.get("/json")
async def write_json():
    json.dumps(rows)


# %% [markdown]
# The last file is honest. Three of its endpoints wait as long as the others, and hold up nobody. The fourth reads a tiny file.
# The app collects them all.

# %%
# %%keep honest.py
import asyncio
import time
from fastapi import APIRouter

router = APIRouter()

@router.get("/awaited")
async def awaited():
    await asyncio.sleep(0.12)

@router.get("/thread")
async def in_a_thread():
    await asyncio.to_thread(time.sleep, 0.12)

@router.get("/def")
def def_endpoint():
    time.sleep(0.12)

@router.get("/tiny")
async def tiny_file():
    open("honest.py").read()


# %%
# %%app suspects.py
import busy
import deeper
import honest
import inside
import outside
from fastapi import FastAPI

app = FastAPI()
for part in (outside, inside, deeper, busy, honest):
    app.include_router(part.router)


# %% [markdown]
# ## What goes wrong
#
# All that users see is this. One of them asks for something harmless, `/awaited`, and at the same moment others use the service.

# %%
BLOCKING = ["/http", "/query", "/command", "/system", "/sleep", "/short", "/result", "/lock", "/helper", "/queue",
            "/hash", "/python", "/json"]
HONEST = ["/awaited", "/thread", "/def", "/tiny"]
slow = await lab.race(["/awaited", *BLOCKING], title="a harmless request among others")
print(f"The harmless request took {slow.requests[0].seconds:.2f} s. It needs 0.12 s.")

# %% [markdown]
# The lane of the loop is hatched almost from one end to the other. Whose fault is it? The label names one function, the one that was seen most.
# But thirteen requests were under way beside the harmless one. We know that all thirteen block, for we put them into the list `BLOCKING`.
# The tools below do not know that.
#
# ## A prediction
#
# The first tool is a **linter** (lesson 01): it reads the files and does not run them. ruff has a group of rules for this, called `ASYNC`.
# They know the names of functions that block: `time.sleep`, `requests.get`, `subprocess.run` and many more.
#
# Thirteen endpoints block. How many of them will it find? Write your number in the place of `None`, or leave it.

# %%
guess = lab.predict("endpoints that ruff finds", None)

# %% [markdown]
# A finding is a file and a line. To compare tools we need the endpoint in which it stands: the last `@router.get` above the line.
# In `table` we collect, for each tool, the endpoints that it finds.

# %%
import json
import re
import subprocess
import sys

FILES = ["outside.py", "inside.py", "deeper.py", "busy.py", "honest.py"]

def ruff(*files):
    words = ["check", "--isolated", "--no-cache", "--select", "ASYNC", "--output-format", "json", *files]
    return json.loads(subprocess.run([sys.executable, "-m", "ruff", *words], capture_output=True, text=True).stdout)

for found in ruff(*FILES):
    print(found["code"], os.path.basename(found["filename"]), found["location"]["row"], found["message"])

def endpoint_at(file, row):
    lines = open(file).read().splitlines()[:row]
    paths = [re.search(r'\.get\("(/\w+)"\)', line) for line in lines]
    return [path[1] for path in paths if path][-1]

table = {"ruff": {endpoint_at(found["filename"], found["location"]["row"]) for found in ruff(*FILES)}}
found_by_ruff = table["ruff"] & set(BLOCKING)
guess.beside(len(found_by_ruff))
print("Not found:", *sorted(set(BLOCKING) - found_by_ruff))

# %% [markdown]
# ruff reads one function at a time. It sees a name that it knows, inside an `async def`. So it does not see
#
# - the sleep two calls down: `rest()` could be anything;
# - a driver, a lock, a queue, `.result()`: the names say nothing by themselves;
# - anything that computes.
#
# But it needs no run, takes less than a second, and every line that it names is worth a look. Put it into your editor and into **CI**,
# the machine that tests every change: in `pyproject.toml`, `extend-select = ["ASYNC"]` below `[tool.ruff.lint]`.
#
# ## Tools that watch
#
# The next three tools run the code. Each lives inside the process that it watches, and changes it.
# So none of them runs in this notebook. We write a program that calls every endpoint under the eyes of one tool.
#
# To treat them alike, we make each into the same thing: an `async with` that ends with an exception if the tool complains.
# It gets a **threshold**: the seconds from which a tool complains.
#
# The first is **asyncio's debug mode**. The loop takes the time of each **callback**, that is of each step that it runs,
# and writes to a log which one took longer than `slow_callback_duration`. So we listen to that log.

# %%
# %%keep debug_mode.py
import asyncio
import logging
from contextlib import asynccontextmanager

class Listener(logging.Handler):
    def __init__(self):
        super().__init__()
        self.heard = []

    def emit(self, record):
        self.heard.append(record.getMessage())

@asynccontextmanager
async def debug(threshold):
    asyncio.get_running_loop().slow_callback_duration = threshold
    listener = Listener()
    logging.getLogger("asyncio").addHandler(listener)
    yield
    await asyncio.sleep(0)  # what the last step took is logged when it is over
    logging.getLogger("asyncio").removeHandler(listener)
    if listener.heard:
        raise RuntimeError(listener.heard[0])


# %% [markdown]
# The other two raise by themselves.
#
# - **blockbuster** patches functions that block: it puts functions of its own in the place of `time.sleep`, and of what a socket uses.
#   Called on a running loop, they raise. There is no threshold.
# - **pyleak** has a thread that asks the loop for signs of life. If one comes later than its threshold, it raises at the end.
#
# `complaint` makes one call under the eyes of one tool, and gives the first line of what the tool said.

# %%
# %%keep tools.py
import asyncio
from contextlib import asynccontextmanager
from blockbuster import blockbuster_ctx
from debug_mode import debug
from pyleak import no_event_loop_blocking

@asynccontextmanager
async def blockbuster(threshold):
    with blockbuster_ctx():
        yield

def pyleak(threshold):
    return no_event_loop_blocking("raise", threshold=threshold, check_interval=threshold / 4)

TOOLS = {"debug": debug, "blockbuster": blockbuster, "pyleak": pyleak}

async def complaint(name, threshold, call):
    try:
        async with TOOLS[name](threshold):
            await asyncio.create_task(call)
    except Exception as error:
        return str(error).strip().splitlines()[0]


# %% [markdown]
# The program calls each endpoint once to warm up, and then in two rounds under the tool. A finding counts if both rounds brought it.
# It prints what was said in the second, as JSON.
#
# `ASGITransport` hands a request to the app without a server, on the same loop. (**ASGI** is the way in which servers call a Python app.)
# That suffices here: we look for what stops this loop.

# %%
# %%keep probe.py
import asyncio
import json
import sys
import httpx
from suspects import app
from tools import complaint

async def one_round(client, name, threshold, paths):
    return {path: await complaint(name, threshold, client.get(path)) for path in paths}

async def probe(name, threshold, paths):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app", trust_env=False) as client:
        for path in paths:
            await client.get(path)
        first = await one_round(client, name, threshold, paths)
        second = await one_round(client, name, threshold, paths)
    print(json.dumps({path: second[path] for path in paths if first[path] and second[path]}))

if __name__ == "__main__":
    name, threshold, *paths = sys.argv[1:]
    asyncio.run(probe(name, float(threshold), paths), debug=name == "debug")


# %% [markdown]
# Now we run it: once for blockbuster, and twice for each of the others, with the threshold that it comes with and with a lower one.
# For each we print how many endpoints it finds, and what it says of the sleep two calls down. This takes about a minute.

# %%
words = {}

def probe(tool, threshold):
    command = [sys.executable, "probe.py", tool, str(threshold), *BLOCKING, *HONEST]
    output = subprocess.run(command, capture_output=True, text=True).stdout
    name = tool if tool == "blockbuster" else f"{tool}, {1000 * threshold:.0f} ms"
    words[name] = json.loads(output.splitlines()[-1])
    table[name] = set(words[name])
    print(f"{name}: {len(table[name] & set(BLOCKING))} of {len(BLOCKING)}")
    said = words[name].get("/helper", "nothing")
    print("    of /helper:", said if len(said) < 150 else f"{said[:75]} ... {said[-70:]}")

for tool, threshold in (("blockbuster", 0), ("debug", 0.1), ("debug", 0.02), ("pyleak", 0.2), ("pyleak", 0.02)):
    probe(tool, threshold)

# %% [markdown]
# The thresholds of 100 and 200 milliseconds are the ones that these tools come with. Most of our endpoints block for 0.12 seconds.
# A tool that begins to look at 0.2 is out of luck, unless the machine is busy.
#
# And what do they say?
#
# - blockbuster names the function that was called. The rest stands in the traceback, which leads to the line.
# - Debug mode names the task, here that of our client, and at the end of its message how long the step took. It names no line of the service.
# - pyleak says that something blocked. Its exception has the stacks that its thread saw meanwhile.
#
# ## Tools that look from outside
#
# **py-spy** reads the memory of another Python process. It prints the **stack** of each thread: which function it is in right now, and who called that,
# up to the first. It needs no change in the service, and no restart: that makes it the tool for the moment at which production stands still.
#
# `dump` runs it, and takes out the main thread, which is the one of the loop.
#
# Reading a foreign process is a privilege. Where the system does not allow it, the next cells say so, and py-spy has no column in the table.

# %%
import shutil

app = lab.serve("suspects.py")
spy = shutil.which("py-spy", path=os.path.dirname(sys.executable)) or shutil.which("py-spy")

def dump(pid):
    """The stack of the main thread of a process, innermost first; None if we may not look."""
    done = subprocess.run([spy, "dump", "--json", "--pid", str(pid)], capture_output=True, text=True) if spy else None
    if done is None or done.returncode != 0:
        return None
    frames = next(thread["frames"] for thread in json.loads(done.stdout) if thread["thread_name"] == "MainThread")
    return [(os.path.basename(frame["filename"]), frame["line"], frame["name"]) for frame in frames]

may_spy = dump(app.pid) is not None
print("py-spy may look at our server." if may_spy else
      "py-spy may not look at other processes here. It needs sudo on macOS, and on Linux where the setting ptrace_scope is 1.")

# %% [markdown]
# An endpoint is found if one of its lines is on that stack. A free loop stands elsewhere: in `select`, the call in which it waits for news.
#
# `seen` asks for an endpoint again and again, while a thread has py-spy look at the service, until a look finds something in the service's
# own files, and five times at most. For all the endpoints that takes about twenty seconds. At the end we print what it saw of the sleep two calls down.

# %%
import asyncio
import httpx

async def seen(path):
    async with httpx.AsyncClient(base_url=app.url, timeout=60) as client:
        for _ in range(5):
            looking = asyncio.create_task(asyncio.to_thread(dump, app.pid))
            while not looking.done():
                await client.get(path)
            if stack := [frame for frame in looking.result() or [] if frame[0] in FILES]:
                return stack
    return []

if may_spy:
    table["py-spy"] = {path for path in BLOCKING + HONEST if await seen(path)}
    for file, line, function in await seen("/helper"):
        print(f"{file}:{line} in {function}")

# %% [markdown]
# The whole path is there, from the innermost function up to the endpoint. No threshold was needed. But somebody had to look
# at the right moment.
#
# The last tool is the **lane** that you know from the pictures. The lab's server notes how long each **turn** of its loop takes:
# all that the loop does between two looks for news. A second thread looks at the stack meanwhile.
# The time in which the process only stood in the queue for a CPU is taken off. Its threshold is 20 milliseconds.
# We race each endpoint once, which takes some seconds.

# %%
table["the lane"] = set()
for path in BLOCKING + HONEST:
    race = await lab.race(path, n=2, show=False)
    if race.blocked:
        table["the lane"].add(path)

race = await lab.race("/helper", n=2)
print("It says:", race.worst_block.code, "in", race.worst_block.place)

# %% [markdown]
# ## Who finds what

# %%
from IPython.display import Markdown, display

rows = [["", *table], ["---"] * (len(table) + 1)]
for path in BLOCKING:
    rows.append([path] + ["found" if path in found else "–" for found in table.values()])
display(Markdown("\n".join("| " + " | ".join(row) + " |" for row in rows)))

counts = {tool: len(found & set(BLOCKING)) for tool, found in table.items()}
accused = {tool: sorted(found & set(HONEST)) for tool, found in table.items()}
for tool, count in counts.items():
    print(f"{tool:14} {count:2} of {len(BLOCKING)}, and of the honest ones: {', '.join(accused[tool]) or 'none'}")

# %% [markdown]
# Read it by columns.
#
# - **ruff** finds what it knows by name, in an `async def`.
# - **blockbuster** finds names wherever they are called, so the helper too. It also knows the lock that stands behind `.result()` and behind
#   a queue. It does not know what a driver in C does (psycopg2, for a database), nor `os.system`, nor work.
#   It has no threshold: it raises for a tiny read as well.
# - **debug mode** and **pyleak** look at the clock and not at names. They find everything that is longer than their threshold.
#   With the thresholds they come with, they miss what takes a little less, and that is a lot.
# - **py-spy** finds all that lasts, if somebody looks while it lasts.
# - **the lane** finds what lasts longer than 20 milliseconds, and names the line.
#
# If a tool with a clock accuses something honest in your list: that happens when the machine is busy with something else.
# A step of the loop is long as well when the process had to wait for a CPU. Only the lane takes that time off.
#
# No tool finds everything. Those that know names need no luck and no load. Those that know the clock see what has no name.
# You need one of each.
#
# Two more are worth a look. [flake8-async](https://github.com/python-trio/flake8-async), where ruff has these rules from, also takes a list of your own,
# `async200-blocking-calls`: there you can name your driver. [aiocop](https://pypi.org/project/aiocop/) listens to Python's *audit events*,
# which Python raises when a program opens a file, a socket or another process, and it measures how long each step of the loop takes.
#
# ## What debug mode costs
#
# Why not leave debug mode on for ever? The next cell writes a small program: its loop takes a given number of turns, with debug mode or without,
# and then it prints the CPU seconds that it has used. A run without any turn tells what the start of Python costs. That is taken off.
# Each is run three times, and the least counts. This takes some seconds.

# %%
TURNS = """
import asyncio, sys, time
async def turns():
    for _ in range(int(sys.argv[2])):
        await asyncio.sleep(0)
asyncio.run(turns(), debug=sys.argv[1] == "debug")
print(time.process_time())
"""

def cost(mode, turns=20_000):
    command = [sys.executable, "-c", TURNS, mode, str(turns)]
    # debug mode grumbles about slow steps, which are not what we ask about here
    return min(float(subprocess.check_output(command, stderr=subprocess.DEVNULL)) for _ in range(3))

empty = cost("plain", turns=0)
plain, debugged = cost("plain") - empty, cost("debug") - empty
print(f"Debug mode: {debugged / plain:.1f} times the CPU time for a turn of the loop.")

# %% [markdown]
# It remembers for every callback where it was created, and does much more. Use it in tests and on your own machine.
# blockbuster raises where your users would only have waited. Use it in tests.
#
# ## A watchdog for production
#
# What may run in production must be cheap and must not raise. Python has something for it in its module `faulthandler`:
# a timer that prints all stacks when it runs out. It is a thread written in C. So it works while the loop is blocked,
# and even while some C code does not let go of the GIL, the lock of lesson 07.
#
# A task on the loop winds the timer up again and again. If the loop is blocked, it cannot, and the timer runs out.

# %%
# %%app watched.py
import asyncio
import faulthandler
from contextlib import asynccontextmanager
import deeper
import busy
from fastapi import FastAPI

async def watchdog(log, limit=0.06):
    while True:
        faulthandler.dump_traceback_later(limit, file=log)
        await asyncio.sleep(limit / 4)

@asynccontextmanager
async def lifespan(app):
    with open("watchdog.log", "w") as log:
        task = asyncio.create_task(watchdog(log))
        yield
        task.cancel()
        faulthandler.cancel_dump_traceback_later()

app = FastAPI(lifespan=lifespan)
app.include_router(deeper.router)
app.include_router(busy.router)


# %%
for path in ("/helper", "/queue", "/json"):
    await lab.race(path, n=1, show=False)

log = open("watchdog.log").read()
for file, place in re.findall(r'File ".*/((?:deeper|busy)\.py)", (line \d+ in \w+)', log):
    print(f"{file}, {place}")

# %% [markdown]
# The file and the line of each, and the way there. The limit here is 60 milliseconds, for the lesson. For a real service half a second is
# a good start. You read the log next morning. On a busy machine the watchdog barks without a reason at times. It only barks.
#
# The watchdog says where. A **gauge** says how late: a task sleeps, and notes by how much it woke up too late. `/metrics` is where a
# monitoring system comes to read such numbers.

# %%
# %%app gauged.py
import asyncio
import time
from contextlib import asynccontextmanager
import deeper
from fastapi import FastAPI

async def measure(app, every=0.05):
    while True:
        due = time.perf_counter() + every
        await asyncio.sleep(every)
        app.state.lag = max(app.state.lag, time.perf_counter() - due)

@asynccontextmanager
async def lifespan(app):
    app.state.lag = 0.0
    task = asyncio.create_task(measure(app))
    yield
    task.cancel()

app = FastAPI(lifespan=lifespan)
app.include_router(deeper.router)

@app.get("/metrics")
async def metrics():
    return {"loop_lag_max": app.state.lag}


# %%
await lab.race("/helper", n=3, show=False)
metrics = await lab.race("/metrics", n=1, show=False)
gauge = json.loads(metrics.requests[0].body)["loop_lag_max"]
print(f"The gauge has seen the loop {1000 * gauge:.0f} ms late.")

# %% [markdown]
# It names no line, and it cannot tell a blocked loop from a busy machine: a process that waits for a CPU wakes up late as well.
#
# ## The trap: your own numbers
#
# Many services measure how long their endpoints take. Here the answer itself says so.
# We put what the service says beside what its client sees.

# %%
# %%app measured.py
import asyncio
import time
import deeper
from fastapi import FastAPI

app = FastAPI()
app.include_router(deeper.router)

@app.get("/ping")
async def ping():
    began = time.perf_counter()
    answer = {"pong": True}
    return answer | {"took": time.perf_counter() - began}


# %%
measured = await lab.race(["/helper", "/helper", "/helper", "/ping"], title="a ping behind three blockers")
ping = measured.requests[3]
says, took = json.loads(ping.body)["took"], ping.seconds
print(f"The service says that the ping took {1000 * says:.3f} ms. Its client waited {1000 * took:.0f} ms.")

# %% [markdown]
# The ping stood in front of the door while the loop was blocked. The clock inside was started only when it had come in.
# So the numbers of a service can be green while its users wait. Measure from outside, with a canary.
#
# ## When not to bother
#
# - **At start-up.** blockbuster may complain about a file that is read when the app is imported. Nobody is waiting yet.
# - **`/tiny`.** It opens a file of a few hundred bytes on the loop, each time. Two tools accuse it, and by their rules they are right.
#   A thread for it would take longer than the read.
# - **Below your threshold.** If the slowest canary waits five milliseconds, there is nothing to find, however many rules complain.
#
# And the other way round: begin with the blocker that holds the loop longest and is met most often, not with the one that you found first.
#
# ## What you have seen
#
# - From outside, every blocked loop looks the same: harmless requests are slow.
# - ruff and blockbuster know names. They find what is on their lists, at once, and not what you or a C library wrote.
# - Debug mode and pyleak know the clock. They find what is longer than their threshold. Set it: the one they come with is high.
# - py-spy shows where a process stands right now, if it may.
# - The lane names the line and takes off what the machine is to blame for.
# - In production: a canary from outside, and a watchdog and a gauge inside.
#
# ## Check yourself
#
# **1.** In CI, ruff's ASYNC rules and a test under blockbuster are green. A release later the canary waits for 0.4 seconds now and then.
# Name two things that fit.
#
# <details><summary>Answer</summary>
#
# Work: a large JSON, a hash, a loop in Python. Neither tool knows it. Or a driver in C, a lock, a `.result()`. Or an endpoint that the
# test under blockbuster does not call.
#
# </details>
#
# **2.** You may not restart the service, and it stands still now. What do you do?
#
# <details><summary>Answer</summary>
#
# `py-spy dump --pid ...`, several times. What stands on the main thread's stack each time is what holds the loop.
#
# </details>
#
# ## Further reading
#
# - Python, *Debug mode* of asyncio: https://docs.python.org/3/library/asyncio-dev.html#debug-mode
# - Python, *faulthandler*: https://docs.python.org/3/library/faulthandler.html
# - ruff, the rules *flake8-async*: https://docs.astral.sh/ruff/rules/#flake8-async-async
# - blockbuster: https://github.com/cbornet/blockbuster
# - pyleak: https://github.com/deepankarm/pyleak
# - py-spy: https://github.com/benfred/py-spy
#
# Next: the exercise of this lesson, in the notebook `exercise_11_finding_it.ipynb` beside this one. Nobody tells you there which endpoints block.
