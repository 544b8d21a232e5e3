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
# # Finding it: a runbook
#
# > **It happened.** A FastAPI process froze: the health check, the WebSockets and every page stopped responding, and `curl` hung for two minutes.
# > A restart brought the service back, and destroyed the only chance to see what it was blocked on. Afterwards the team installed py-spy,
# > and gave the container the capability that py-spy needs.
# > ([mvidarr#457](https://github.com/prefect421/mvidarr/issues/457), [mvidarr#462](https://github.com/prefect421/mvidarr/pull/462))
#
# **About 20 minutes**, plus 20 for the sections marked "Deeper", of which the tools need a few minutes to run.
# You need lesson 01, *Sleeping*: what a blocked event loop is, and what the canary shows. The lesson is also a runbook that you can open during an incident:
#
# | the service is | go to |
# |---|---|
# | slow *now* | *Slow now: read the stack*. Don't restart it first. |
# | slow *sometimes* | *Slow sometimes: a watchdog and a gauge* |
# | in a container | *Inside a container* |
# | slow, and its loop is free | lessons 03 and 09, whose pools are the usual cause; *Deeper: Python 3.14 and 3.15* |
# | in CI, not yet deployed | *Deeper: what each tool finds* |
#
# In the earlier lessons you knew where the mistake was: in the one endpoint on the screen. A real service has three hundred
# endpoints, and a ticket that says *it's slow sometimes*.
#
# The next cell loads the tools of the course, and starts two services that the app of this lesson calls, a supplier over HTTP and
# a PostgreSQL database. That takes a few seconds.
# If it fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
# close it and start it with `./course lab`.

# %%
import os

from autograder import lab, services
# %load_ext autograder.lab

for service in ("upstream", "postgres"):
    os.environ.update(services.get(service).environment)

# %% [markdown]
# ## Someone else's service
#
# The service has five files with endpoints. An `APIRouter` collects the endpoints of one file,
# and the app adds them with `include_router`. `%%keep` saves a cell as a file and runs nothing.
# Skim the files; you don't need to study them.
#
# In the first file, the endpoints wait for another service or a program. In the second, they wait for something inside the process:
# a sleep, a thread, a lock. The third has a sleep two calls down, and a queue. The fourth computes.
# The endpoints of the last file don't block: three of them wait as long as the others, and one reads a tiny file.

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
lock.acquire()  # another part of the app holds it all the time

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


# %%
# %%keep free.py
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
    open("free.py").read()


# %%
# %%app suspects.py
import busy
import deeper
import free
import inside
import outside
from fastapi import FastAPI

app = FastAPI()
for part in (outside, inside, deeper, busy, free):
    app.include_router(part.router)


# %% [markdown]
# ## What the users see
#
# One client sends a harmless request, `/awaited`, while others use the rest of the service.

# %%
BLOCKING = ["/http", "/query", "/command", "/system", "/sleep", "/short", "/result", "/lock", "/helper", "/queue",
            "/hash", "/python", "/json"]
NON_BLOCKING = ["/awaited", "/thread", "/def", "/tiny"]
slow = await lab.race(["/awaited", *BLOCKING], title="a harmless request among others")
lab.diagrams.loop("which line?", ["GET /awaited", "GET /health"], blocked=True, note="Each tool of this lesson tries to say what is in the middle box.").show()
print(f"The harmless request took {slow.requests[0].seconds:.2f} s. It needs 0.12 s.")

# %% [markdown]
# Thirteen other requests were in progress, and the label names only the function that was sampled most often. You know that all thirteen block, because
# the list is called `BLOCKING`. The tools have to find out.
#
# ## Slow now: read the stack
#
# **py-spy** reads the memory of another Python process and prints the **stack** of each thread: the function it is in right now, the function that called it,
# and so on. It needs no change in the service and no restart, which makes it the first thing to try while production is slow:
#
# ```
# py-spy dump --pid 4242
# ```
#
# Run it three or four times. A function that is on the main thread's stack each time holds the loop. If the innermost frame is `select`, the loop is idle
# and the problem is elsewhere. py-spy pauses the process for some milliseconds while it reads; `--nonblocking` avoids that, at the price of an occasional garbled stack.
#
# Reading another process is a privilege. The next cell checks whether this notebook has it.

# %%
import json
import shutil
import subprocess
import sys

app = lab.serve("suspects.py")
FILES = ["outside.py", "inside.py", "deeper.py", "busy.py", "free.py"]
spy = shutil.which("py-spy", path=os.path.dirname(sys.executable)) or shutil.which("py-spy")

def dump(pid):
    """The stack of the main thread of a process, innermost frame first; None if py-spy isn't permitted to read it."""
    done = subprocess.run([spy, "dump", "--json", "--pid", str(pid)], capture_output=True, text=True) if spy else None
    if done is None or done.returncode != 0:
        return None
    frames = next(thread["frames"] for thread in json.loads(done.stdout) if thread["thread_name"] == "MainThread")
    return [(os.path.basename(frame["filename"]), frame["line"], frame["name"]) for frame in frames]

may_spy = dump(app.pid) is not None
print("py-spy may read our server." if may_spy else
      "py-spy may not read other processes here: it needs sudo on macOS, and on Linux where the setting ptrace_scope is 1.")

# %% [markdown]
# `seen` requests an endpoint again and again while a thread runs py-spy, until a stack contains one of the service's own files, five times at most.

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

helper_stack = await seen("/helper") if may_spy else []
for file, line, function in helper_stack:
    print(f"{file}:{line} in {function}")

# %% [markdown]
# That is the whole path, from the sleep up to the endpoint two calls above it. py-spy needed no threshold and no list of blocking functions.
#
# ### Your turn
#
# The next cell picks one of the blocking endpoints at random, requests it, and prints only the stack. Which endpoint is it? Replace `None` with its path. The cell
# keeps its choice until you've found it.

# %%
import random

your_path = None  # for instance "/hash"
mystery = globals().get("mystery") or random.choice(["/http", "/query", "/command", "/result", "/lock", "/queue", "/helper"])
for file, line, _ in (await seen(mystery) if may_spy else []):
    print(f"{file}:{line}", open(file).read().splitlines()[line - 1].strip())
if your_path == mystery:
    print("Right. Run the cell again for another one.")
    mystery = None
elif your_path:
    print("Not that one. Which @router.get is above the last line of the stack?")

# %% [markdown]
# <details><summary>How to read it</summary>
#
# The first line is the innermost frame in the service's files: the line that waits. The last line is in the endpoint function, and the decorator above that function has the path.
#
# </details>
#
# **No py-spy?** Python can print its own stacks if the service was prepared for it. Put `faulthandler.register(signal.SIGUSR1, all_threads=True)` at the top of
# the app, and `kill -USR1 4242` writes all stacks to its stderr, even while the loop is blocked, because C code does it in the signal handler.
#
# ## Inside a container
#
# On Linux, reading another process requires the capability `CAP_SYS_PTRACE`, or the same user and a `ptrace_scope` of 0. Containers drop the capability by default, so py-spy
# reports *Permission denied* even to root. Plan for it before the incident:
#
# | where | how |
# |---|---|
# | Docker | `docker run --cap-add SYS_PTRACE ...`, or `cap_add: [SYS_PTRACE]` in Compose |
# | Kubernetes | `securityContext: {capabilities: {add: [SYS_PTRACE]}}` in the container's spec; the *baseline* and *restricted* Pod Security Standards forbid it |
# | Kubernetes, without changing the pod | `kubectl debug -it POD --target=CONTAINER --image=... --profile=sysadmin`: a debug container that shares the processes of the target |
# | on the host | `sudo py-spy dump --pid PID`, with the process id that the *host* shows |
#
# Inside a container the service usually has PID 1. Does the notebook's own process have the capability?

# %%
import re
from pathlib import Path

status, scope = Path("/proc/self/status"), Path("/proc/sys/kernel/yama/ptrace_scope")
effective = re.search(r"CapEff:\s*(\w+)", status.read_text()) if status.exists() else None
print("CAP_SYS_PTRACE:", ("yes" if int(effective[1], 16) >> 19 & 1 else "no") if effective else "this system has no capabilities")
print("ptrace_scope:", scope.read_text().strip() if scope.exists() else "not set here")

# %% [markdown]
# Two more things are special in a container. A **liveness probe** that times out restarts it: probes have a timeout of 1 second by default, and a blocked
# loop responds to none. And a CPU limit suspends the whole process when its quota is used up, which looks like a blocked loop from outside and has no
# guilty line. The file `cpu.stat` of the container's cgroup counts that as `nr_throttled`.
#
# ## Slow sometimes: a watchdog and a gauge
#
# You can't run py-spy at the right moment if that moment lasts half a second and comes twice a day. You need something that runs in production all the time, so it has to be cheap and must never raise an error.
# Python's `faulthandler` module has a timer that prints all stacks when it expires. It's a thread written in C, so it works while the loop is blocked,
# and even while C code holds the GIL.
#
# A task on the loop restarts the timer again and again. If the loop is blocked, it can't, and the timer expires. This is a **watchdog**.
# The task also records how late it woke up. That number is the **loop lag**; `/metrics` exports it as a **gauge**, a number that a monitoring system
# reads at intervals.

# %%
# %%keep stack_watchdog.py
import asyncio
import faulthandler
import time
from contextlib import asynccontextmanager

async def watch(app, log, limit):
    while True:
        faulthandler.dump_traceback_later(limit, file=log)
        due = time.perf_counter() + limit / 4
        await asyncio.sleep(limit / 4)
        app.state.lag = max(app.state.lag, time.perf_counter() - due)

def watchdog(log_file, limit=0.5):
    """A lifespan that writes all stacks to a file when the loop is blocked for more than `limit` seconds."""
    @asynccontextmanager
    async def lifespan(app):
        app.state.lag = 0.0
        with open(log_file, "w") as log:
            task = asyncio.create_task(watch(app, log, limit))
            yield
            task.cancel()
            faulthandler.cancel_dump_traceback_later()
    return lifespan


# %%
# %%app watched.py
import time
import busy
import deeper
from fastapi import FastAPI
from stack_watchdog import watchdog

app = FastAPI(lifespan=watchdog("watchdog.log", limit=0.06))
app.include_router(deeper.router)
app.include_router(busy.router)


@app.get("/metrics")
async def metrics():
    return {"loop_lag_max": app.state.lag}


@app.get("/health")
async def health():
    began = time.perf_counter()
    reply = {"status": "ok"}
    return reply | {"took": time.perf_counter() - began}


# %%
for path in ("/helper", "/queue", "/json"):
    await lab.race(path, n=1, show=False)
metrics = await lab.race("/metrics", n=1, show=False)

log = open("watchdog.log").read()
for file, place in re.findall(r'File ".*/((?:deeper|busy)\.py)", (line \d+ in \w+)', log):
    print(f"{file}, {place}")
gauge = json.loads(metrics.requests[0].body)["loop_lag_max"]
print(f"The gauge has seen the loop {1000 * gauge:.0f} ms late.")

# %% [markdown]
# The watchdog says where: file and line of each block, and the calls that led there. The gauge says how late the loop was and, if you record it over time, since when. The limit of 60 milliseconds is for this lesson;
# half a second is a good start for a real service. Neither can tell a blocked loop from a process that had to wait for a CPU, because that wakes up late as well.
#
# ## Trap: your own numbers
#
# Many services measure how long their endpoints take. The response of `/health` in `watched.py` says so itself. Compare it with what the client sees.

# %%
measured = await lab.race(["/helper", "/helper", "/helper", "/health"], title="a health probe behind three blockers")
probe_request = measured.requests[3]
says, took = json.loads(probe_request.body)["took"], probe_request.seconds
print(f"The service says that the probe took {1000 * says:.3f} ms. The client waited {1000 * took:.0f} ms.")

# %% [markdown]
# The request waited in the socket while the loop was blocked, and the clock in the endpoint started only when the endpoint did.
# So a service's own numbers can be green while its users wait, and an `async def` health endpoint reports OK whenever it gets to run at all.
# Measure from outside, with a canary and its **latency**, the time between request and response.
#
# ## When not to bother
#
# - **At start-up.** A tool may complain about a file that is read while the app is imported. No request is delayed by that, because the server doesn't accept
#   any yet. Probes do notice a long start-up, though: if loading a model takes a minute, give the container a `startupProbe`, or the liveness probe will restart it before it is ready.
# - **`/tiny`.** It opens a file of a few hundred bytes on the loop, each time. Two of the tools in *Deeper: what each tool finds* report it, and by their rules they are right.
#   Lesson 05 measures that a thread would take longer than the read.
# - **Below your threshold.** If the slowest canary waits five milliseconds, there is nothing to find, however many rules complain.
#
# And the other way round: begin with the blocker that holds the loop longest and most often, not with the one that you found first.
#
# The core of the lesson ends here; the sections marked *Deeper* are optional.
#
# ## Deeper: the garbage collector
#
# Python's **garbage collector** (GC) frees objects that refer to each other in a circle. A full collection examines every container object of the process, holds the GIL
# all the time, and starts by itself, in whatever line happens to allocate. An inference server stalled for 100 to 300 ms about every 1.5 seconds for that reason
# ([sglang#9241](https://github.com/sgl-project/sglang/pull/9241)). `gc.callbacks` reports when it runs; this app collects on request.

# %%
# %%app collecting.py
import asyncio
import gc
import time
from fastapi import FastAPI

app, started, pauses = FastAPI(), [], []
cache = [[n] for n in range(1_000_000)]  # a real service keeps that many objects in caches, models and modules
def note(phase, info):
    if phase == "start":
        started.append(time.perf_counter())
    else:
        pauses.append(time.perf_counter() - started.pop())
gc.callbacks.append(note)

@app.get("/collect")
async def collect():
    gc.collect()
@app.get("/collect_in_a_thread")
async def collect_in_a_thread():
    await asyncio.to_thread(gc.collect)
@app.get("/freeze")
async def freeze():
    gc.freeze()
app.get("/pauses")(lambda: pauses)

# %%
collections = {}
for name, path in (("on the loop", "/collect"), ("in a thread", "/collect_in_a_thread"), ("", "/freeze"), ("after gc.freeze()", "/collect")):
    collections[name] = await lab.race(path, n=1, show=False)
pauses = json.loads((await lab.race("/pauses", n=1, show=False)).requests[0].body)
for name, race in collections.items():
    if name:
        print(f"{name:18} the loop was blocked for up to {race.loop_lag:.0f} ms at a time")
print(f"The longest pause that gc.callbacks saw: {1000 * max(pauses):.0f} ms.")

# %% [markdown]
# `asyncio.to_thread(gc.collect)` doesn't help, because the collection holds the GIL in whichever thread it runs. `gc.freeze()` does: after start-up and warm-up it
# moves everything that exists out of the collector's reach, so a full collection examines only what came later. Call `gc.collect()` once before it.
#
# ## Deeper: Python 3.14 and 3.15
#
# Newer versions of Python include such tools. This course was written without Python 3.14 at hand, so nothing here was run: the table repeats the documentation
# ([asyncio tools](https://docs.python.org/3.14/library/asyncio-tools.html), [profiling.sampling](https://docs.python.org/3.15/library/profiling.sampling.html)).
#
# | command | since | what it prints, according to its documentation |
# |---|---|---|
# | `python -m asyncio ps PID` | 3.14 | a table with a row for each pending task: thread id, task id, task name, coroutine stack, and the stack, name and id of the task that awaits it |
# | `python -m asyncio pstree PID` | 3.14 | the same as a tree: each task with its coroutine stack, as function, file and line, below the task that awaits it |
# | `python -m profiling.sampling attach PID` | 3.15 | a profile of 10 seconds, with samples, percentages and estimated times per function; `--flamegraph -o FILE` writes a page instead |
# | `... attach --mode=gil PID` | 3.15 | the same, counting only moments in which the thread holds the GIL: which thread starves the others? |
#
# The first two answer a different question from py-spy's. A stack shows what *runs*; the task tree shows what is *suspended*, and where. Use them when the loop is free
# and a request still hangs: on a pool, a lock, a reply that never comes. All of them need the permission that py-spy needs, and `profiling.sampling` must be of the same
# minor version as the process.
#
# ## Deeper: what each tool finds
#
# Before the code ships, other tools can look for blocking calls. The following cells run them on the seventeen endpoints and build a table.
#
# The first is a **linter** (lesson 01): it reads the files and doesn't run them. ruff's rules of the group `ASYNC`
# know the names of functions that block: `time.sleep`, `requests.get`, `subprocess.run` and many more.
# Thirteen endpoints block. How many will it find? Replace `None` with your number.

# %%
guess = lab.predict("endpoints that ruff finds", None)

def ruff(*files):
    words = ["check", "--isolated", "--no-cache", "--select", "ASYNC", "--output-format", "json", *files]
    return json.loads(subprocess.run([sys.executable, "-m", "ruff", *words], capture_output=True, text=True).stdout)

def endpoint_at(file, row):
    """The path of the last @router.get above a line."""
    lines = open(file).read().splitlines()[:row]
    paths = [re.search(r'\.get\("(/\w+)"\)', line) for line in lines]
    return [path[1] for path in paths if path][-1]

for found in ruff(*FILES):
    print(found["code"], os.path.basename(found["filename"]), found["location"]["row"], found["message"])
table = {"ruff": {endpoint_at(found["filename"], found["location"]["row"]) for found in ruff(*FILES)}}
found_by_ruff = table["ruff"] & set(BLOCKING)
guess.compare(len(found_by_ruff))
print("Not found:", *sorted(set(BLOCKING) - found_by_ruff))

# %% [markdown]
# ruff reads one function at a time and recognises names inside an `async def`. So it doesn't see the sleep two calls down, a driver, a lock, a queue, `.result()`, or
# anything that computes. But it doesn't have to run the code, it takes less than a second, and every line that it names deserves a look. Put it into your editor and into **CI**,
# the machine that tests every change: in `pyproject.toml`, `extend-select = ["ASYNC"]` below `[tool.ruff.lint]`.
#
# The next tools run the code. Each lives inside the process that it watches, and changes it, so none of them runs in this notebook.
# A program calls every endpoint under one tool. So that all tools can be used in the same way, each is wrapped in an `async with` that ends with an exception if the tool complains.
# It takes a **threshold**: a tool complains about blocks that last at least that many seconds.
#
# - **asyncio's debug mode** measures each **callback**, that is each step that the loop runs, and logs those that take longer than `slow_callback_duration`.
# - **blockbuster** replaces functions that block, such as `time.sleep` and a socket's methods, with its own versions, which raise an error if they're called on a running loop. It has no threshold.
# - **pyleak** has a thread that checks whether the loop still responds, and raises at the end if it was late.
# - **aiocop** listens to Python's *audit events*, which Python raises when a program opens a file, a socket or another process, and measures each callback.
#   It isn't part of the course's environment: `%pip install aiocop` adds it, and the cells below use it if it's there.

# %%
# %%keep debug_mode.py
import asyncio
import logging
from contextlib import asynccontextmanager

class Collector(logging.Handler):
    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())

@asynccontextmanager
async def debug(threshold):
    asyncio.get_running_loop().slow_callback_duration = threshold
    collector = Collector()
    logging.getLogger("asyncio").addHandler(collector)
    yield
    await asyncio.sleep(0)  # what the last step took is logged when it is over
    logging.getLogger("asyncio").removeHandler(collector)
    if collector.messages:
        raise RuntimeError(collector.messages[0])


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
@asynccontextmanager
async def aiocop(threshold):
    from aiocop_tool import complaints
    with complaints(threshold):
        yield
        await asyncio.sleep(0)  # an event is reported when its callback is over
TOOLS = {"debug": debug, "blockbuster": blockbuster, "pyleak": pyleak, "aiocop": aiocop}
async def complaint(name, threshold, call):
    """What a tool says of one call, its first line; None if it doesn't complain."""
    try:
        async with TOOLS[name](threshold):
            await asyncio.create_task(call)
    except Exception as error:
        return str(error).strip().splitlines()[0]


# %%
# %%keep aiocop_tool.py
from contextlib import contextmanager
import aiocop

events = []
aiocop.patch_audit_functions()
aiocop.start_blocking_io_detection()

@contextmanager
def complaints(threshold):
    events.clear()
    aiocop.detect_slow_tasks(threshold_ms=1000 * threshold, on_slow_task=events.append)
    aiocop.activate()
    yield
    aiocop.deactivate()
    slow = [event for event in events if event.exceeded_threshold]
    if slow:
        raise RuntimeError(f"{slow[0].reason}, {slow[0].elapsed_ms:.0f} ms")


# %% [markdown]
# The program calls each endpoint once to warm up, and then in two rounds under the tool. A finding counts if both rounds reported it.
# `ASGITransport` passes a request to the app without a server, on the same loop. (**ASGI** is the interface through which servers call a Python app.)
# That's enough here, since we want to know what blocks this loop.

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
# blockbuster runs once, the others with their default threshold and with a lower one. This takes about a minute.

# %%
import importlib.util

words = {}

def probe(tool, threshold):
    command = [sys.executable, "probe.py", tool, str(threshold), *BLOCKING, *NON_BLOCKING]
    output = subprocess.run(command, capture_output=True, text=True).stdout
    name = tool if tool == "blockbuster" else f"{tool}, {1000 * threshold:.0f} ms"
    words[name] = json.loads(output.splitlines()[-1])
    table[name] = set(words[name])
    print(f"{name}: {len(table[name] & set(BLOCKING))} of {len(BLOCKING)}")
    said = words[name].get("/helper", "nothing")
    print("    of /helper:", said if len(said) < 150 else f"{said[:75]} ... {said[-70:]}")

for tool, threshold in (("blockbuster", 0), ("debug", 0.1), ("debug", 0.02), ("pyleak", 0.2), ("pyleak", 0.02)):
    probe(tool, threshold)
if importlib.util.find_spec("aiocop"):
    probe("aiocop", 0.02)

# %% [markdown]
# - blockbuster names the function that was called. Its traceback leads to the line.
# - Debug mode names the task, here that of our client, and how long the step took. It names no line of the service.
# - pyleak says that something blocked. Its exception has the stacks that its thread saw in the meantime.
# - aiocop says whether the step waited or computed, and its events have the stack.
#   A recorded run (aiocop 1.2.1, Python 3.11.7, 20 ms) found 13 of the 13 and accused none of the other four.
#
# ### Your turn
#
# Most of the endpoints block for 0.12 seconds, one for 0.04. How many does pyleak find with a threshold of your choice? Predict, then run.

# %%
milliseconds = None  # for instance 50
probe("pyleak", (milliseconds or 130) / 1000)

# %% [markdown]
# The table needs two more columns: py-spy, and the **lane** that you know from the timelines. The lab's server measures each iteration of its loop,
# subtracts the time in which the process only waited for a CPU, and samples the stack from a second thread. Its threshold is 20 milliseconds.
# The next cell runs for about half a minute.

# %%
from IPython.display import Markdown, display

app = lab.serve("suspects.py")
if may_spy:
    table["py-spy"] = {path for path in BLOCKING + NON_BLOCKING if await seen(path)}
table["the lane"] = set()
for path in BLOCKING + NON_BLOCKING:
    race = await lab.race(path, n=2, show=False)
    if race.blocked:
        table["the lane"].add(path)
race = await lab.race("/helper", n=2, show=False)
print("The lane says of /helper:", race.worst_block.code, "in", race.worst_block.place)

rows = [["", *table], ["---"] * (len(table) + 1)]
for path in BLOCKING:
    rows.append([path] + ["found" if path in found else "–" for found in table.values()])
counts = {tool: len(found & set(BLOCKING)) for tool, found in table.items()}
rows.append(["**found**"] + [f"**{count} of {len(BLOCKING)}**" for count in counts.values()])
rows.append(["accused"] + [", ".join(sorted(found & set(NON_BLOCKING))) or "none" for found in table.values()])
display(Markdown("\n".join("| " + " | ".join(row) + " |" for row in rows)))

# %% [markdown]
# Read it by columns.
#
# - **ruff** finds what it knows by name, in an `async def`.
# - **blockbuster** finds names wherever they are called, so the helper too, and the lock behind `.result()` and behind
#   a queue. It doesn't know what a driver in C does (psycopg2), nor `os.system`, nor computing, and it raises for a tiny read as well.
# - **debug mode** and **pyleak** measure time, so they find everything longer than their threshold. Their defaults are 100 and 200 ms.
# - **py-spy** finds whatever is still running when you take the dump.
# - **the lane** finds what lasts longer than 20 ms, and names the line. Of the tools that measure time it is the only one that subtracts the waiting for a CPU; the others may accuse
#   a non-blocking endpoint on a busy machine.
#
# No tool finds everything. Tools that know names need neither luck nor load, and tools that measure time also find calls that are on no list. Use one of each kind.
# [flake8-async](https://github.com/python-trio/flake8-async), the origin of these ruff rules, also accepts a list of your own (`async200-blocking-calls`), to which you can add your driver.
#
# ## Deeper: what debug mode costs
#
# Why not leave debug mode on? The next program runs a given number of iterations of its loop, with debug mode or without,
# and prints the CPU seconds it used. A run without iterations measures Python's start-up, which is subtracted. Each runs three times, and the lowest result counts.

# %%
ITERATIONS = """
import asyncio, sys, time
async def iterate():
    for _ in range(int(sys.argv[2])):
        await asyncio.sleep(0)
asyncio.run(iterate(), debug=sys.argv[1] == "debug")
print(time.process_time())
"""

def cost(mode, iterations=20_000):
    command = [sys.executable, "-c", ITERATIONS, mode, str(iterations)]
    # debug mode logs slow steps, which don't matter here
    return min(float(subprocess.check_output(command, stderr=subprocess.DEVNULL)) for _ in range(3))

empty = cost("plain", iterations=0)
plain, debugged = cost("plain") - empty, cost("debug") - empty
print(f"Debug mode: {debugged / plain:.1f} times the CPU time per iteration.")

# %% [markdown]
# For every callback, debug mode records where the callback was created, among other things. Use it in tests and on your own machine.
# Use blockbuster only in tests as well: it raises an error where your users would merely have waited.
#
# ## What you have seen
#
# - Slow now: py-spy, several dumps, no restart first. In a container it needs a capability that you have to grant beforehand.
# - Slow sometimes: a watchdog that writes stacks, a gauge that shows the lag, and a canary from outside, because a service's own numbers hide the wait.
# - The garbage collector can be the culprit. A thread doesn't help, `gc.freeze()` does.
# - Before it ships: ruff and blockbuster know names; debug mode, pyleak and the lane measure time. Set the threshold, since the defaults are high.
#
# ## Check yourself
#
# **1.** In CI, ruff's ASYNC rules and a test under blockbuster are green. A release later the canary waits for 0.4 seconds now and then.
# Name two causes that fit.
#
# <details><summary>Answer</summary>
#
# CPU-bound work: a large JSON, a hash, a loop in Python, a full garbage collection. Neither tool knows it. Or a driver in C, which neither knows; or an endpoint that the
# test under blockbuster doesn't call.
#
# </details>
#
# **2.** You aren't allowed to restart the service, and right now it serves no request. What do you do?
#
# <details><summary>Answer</summary>
#
# `py-spy dump --pid ...`, several times. The function that is on the main thread's stack each time holds the loop. If the stack always ends in `select`, the loop is free, and the
# requests wait for a thread, a connection or a reply.
#
# </details>
#
# ## Words of this lesson
#
# - **stack, frame**: the stack is the list of functions that a thread is in, each called by the next. A frame is one entry of that list, with its file and line.
# - **sampling**: reading the stack at intervals. A function that shows up often takes a long time.
# - **loop lag**: how late the loop runs a callback that is due.
# - **watchdog**: a timer that the loop has to restart; if it can't, the timer reports where the loop is.
# - **gauge**: a number that a monitoring system reads at intervals, here the largest lag.
# - **latency**: the time from a request to its response, as the client measures it.
# - **capability**: one of the privileges that Linux splits root's power into; `CAP_SYS_PTRACE` allows reading other processes.
# - **liveness probe**: a request with which Kubernetes checks a container; if several fail, it restarts the container.
# - **linter**: a program that reads code for known mistakes and doesn't run it.
#
# ## Further reading
#
# - Python, *Debug mode* of asyncio: https://docs.python.org/3/library/asyncio-dev.html#debug-mode
# - Python, *faulthandler*: https://docs.python.org/3/library/faulthandler.html
# - ruff, the rules *flake8-async*: https://docs.astral.sh/ruff/rules/#flake8-async-async
# - blockbuster: https://github.com/cbornet/blockbuster, pyleak: https://github.com/deepankarm/pyleak, aiocop: https://github.com/feverup/aiocop
# - py-spy, with a section on containers: https://github.com/benfred/py-spy
#
# Next: the exercise, in the notebook `exercise_11_finding_it.ipynb` next to this one. There nothing says which endpoints block.
