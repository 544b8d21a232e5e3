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
# # The whole table
#
# > **It happened.** The endpoints of a metrics service were `async def`, and its database driver was synchronous, so every query blocked the event loop until uvicorn's workers timed out.
# > The fix was to stop mixing the two. The discussion goes on to ask whether async engines would have been the better choice.
# > ([dj#901](https://github.com/DataJunction/dj/pull/901))
#
# This lesson is for that kind of question. It's a reference: open it again next to your own code.
#
# **About 25 minutes**, plus 5 for the sections marked "Deeper". You need the lessons before this one; each row below names the lesson that explains it.
#
# You'll find
#
# - how to decide, in five questions, and a checklist for code reviews;
# - the main patterns of lessons 01 to 10, blocking and fixed, raced once more on your machine, and the table that comes out of it;
# - what a linter finds, and a configuration to copy;
# - fixes that don't fix, and what you may have read elsewhere;
# - how to serve your own app in the lab, and how to audit and test any service with a package that you can take home.
#
# ## How to decide
#
# Take the questions in this order. The first *yes* decides.
#
# | question | write | lesson |
# |---|---|---|
# | Does it wait or compute for less than about a millisecond, always? | leave it as it is | 05, 07 |
# | Is it I/O-bound, and does an async library exist? | `async def` and `await`, with a client or pool from the lifespan | 02, 03, 04, 06 |
# | Is it I/O-bound, with a synchronous library only? | a `def` endpoint, or `await asyncio.to_thread(...)` in an `async def` | 02, 09 |
# | Is it CPU-bound, in code that releases the GIL (images, bcrypt, hashes of large data, much of numpy)? | `await asyncio.to_thread(...)` | 07 |
# | Is it CPU-bound, in Python or in one long call (`sorted`, `json`, `re`)? | a `ProcessPoolExecutor` from the lifespan; for minutes of work, a queue and a worker service of its own | 08 |
#
# Each fix has a limit, and you have to choose it: 40 threads for all `def` endpoints together, a few more threads than cores for `to_thread`,
# the size of a connection pool, the number of processes. Without a limit, the whole load reaches the next service. With a limit that is too low, requests wait longer than they have to. Making callers wait instead of accepting everything is **back-pressure**.
#
# ## How each row is measured
#
# `compare` races four requests against the blocking endpoint, then four against the fixed one, and keeps two numbers for the table below:
#
# - how long all four took, as a multiple of the fastest one. Concurrent requests give about 1, **sequential** ones, served one after the other, about 4;
# - how long the slowest canary waited.
#
# The next cell loads the tools of the course, defines `compare`, and starts the services that the apps call. If this machine doesn't have one of them, the cell says so, and its rows are left out. If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
# close it and start it with `./course lab`.

# %%
import os

from autograder import lab, services
# %load_ext autograder.lab

rows, have = {}, set()

async def compare(name, lesson, before, after):
    bad = await lab.race(before, n=4, show=False)
    good = await lab.race(after, n=4, show=False)
    rows[name] = (lesson, bad, good)
    place = bad.worst_block.place if bad.worst_block and bad.worst_block.in_app else "no line of the file"
    print(f"{name}: {before} blocked the loop in {place}")

for name in sorted(services.KINDS.keys() & {"upstream", "postgres", "redis", "mysql"}):
    try:
        os.environ.update(services.get(name).environment)
        have.add(name)
    except services.ServiceError as problem:
        print(f"{name}: {problem}")
print("Running:", ", ".join(sorted(have)))

# %% [markdown]
# ## Sleeping, and a background task
#
# Lessons 01 and 10. A background task runs when its client already has the response, so only other clients notice that it blocks. The middleware, the log, the lock, the queue, the stream and
# the large responses of lesson 10 have no row here.

# %%
# %%app table_sleep.py
import asyncio
import time

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()

@app.get("/sleep")
async def blocking():
    time.sleep(0.2)
@app.get("/asyncio_sleep")
async def fixed():
    await asyncio.sleep(0.2)

async def mail_on_the_loop():
    time.sleep(0.2)
def mail_in_a_thread():
    time.sleep(0.2)
@app.get("/async_def_task")
async def blocking_task(later: BackgroundTasks):
    later.add_task(mail_on_the_loop)
@app.get("/def_task")
async def fixed_task(later: BackgroundTasks):
    later.add_task(mail_in_a_thread)

# %%
await compare("a sleep", "01", "/sleep", "/asyncio_sleep")
await compare("a background task", "10", "/async_def_task", "/def_task")

# %% [markdown]
# ## Calling HTTP
#
# Lesson 02. The client is created once, in the lifespan, because each new one costs the loop time.
#
# Where an endpoint must keep `requests`, remove its `async`. FastAPI then runs it in a thread (lesson 09).

# %%
# %%app table_http.py
import os
from contextlib import asynccontextmanager
import httpx
import requests
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as app.state.client:
        yield

ITEM = os.environ["UPSTREAM_URL"] + "/items/hat?wait=0.2"
app = FastAPI(lifespan=lifespan)

@app.get("/requests")
async def blocking():
    return requests.get(ITEM).json()

@app.get("/httpx")
async def fixed():
    return (await app.state.client.get(ITEM)).json()

@app.get("/def")
def fixed_too():
    return requests.get(ITEM).json()

# %%
await compare("HTTP", "02", "/requests", "/httpx")
await compare("HTTP, def", "09", "/requests", "/def")

# %% [markdown]
# ### Your turn
#
# Both fixes work for four requests. Choose a number, predict the two ratios, and race again. From which number on do they differ?

# %%
n = None  # for instance 45
for path in ("/def", "/httpx"):
    many = await lab.race(path, n=n or 8, show=False)
    print(f"{path:7} {n or 8} requests took {many.ratio:.1f} times the fastest")

# %% [markdown]
# <details><summary>Answer</summary>
#
# From 41 on: the 41st request waits for one of the 40 threads, so all of them take about twice as long as one. httpx has a limit of its own, 100 connections by default.
#
# </details>
#
# ## PostgreSQL
#
# Lesson 03. `asyncpg` with a pool from the lifespan.

# %%
# %%app table_postgres.py
import os
from contextlib import asynccontextmanager, closing

import asyncpg
import psycopg2
from fastapi import FastAPI

URL = os.environ.get("DATABASE_URL", "")

@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(URL) as app.state.pool:
        yield

app = FastAPI(lifespan=lifespan if URL else None)

@app.get("/psycopg2")
async def blocking():
    with closing(psycopg2.connect(URL)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.2)")

@app.get("/asyncpg")
async def fixed():
    await app.state.pool.execute("SELECT pg_sleep(0.2)")

# %%
if "postgres" in have:
    await compare("PostgreSQL", "03", "/psycopg2", "/asyncpg")

# %% [markdown]
# The same through SQLAlchemy. The word after the plus sign in the URL names the driver, and the driver decides whether a query blocks.
# `/small_pool` is a trap that many services fell into: the endpoint is `def`, which is fine, and there are 40 threads, but the pool has only two connections, and a request that gets none within
# `pool_timeout` fails. (SQLAlchemy's default is a pool of 5 with an overflow of 10, and a timeout of 30 seconds.)

# %%
# %%app table_sqlalchemy.py
import os

from fastapi import FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

URL = os.environ.get("DATABASE_URL", "postgresql://")
PLAIN, NAP = URL.replace("postgresql:", "postgresql+psycopg2:"), text("SELECT pg_sleep(0.2)")
plain_engine = create_engine(PLAIN)
small_engine = create_engine(PLAIN, pool_size=2, max_overflow=0, pool_timeout=0.3)
async_engine = create_async_engine(URL.replace("postgresql:", "postgresql+asyncpg:"))
app = FastAPI()

@app.get("/create_engine")
async def blocking():
    with plain_engine.connect() as connection:
        connection.execute(NAP)
@app.get("/create_async_engine")
async def fixed():
    async with async_engine.connect() as connection:
        await connection.execute(NAP)
@app.get("/small_pool")
def small_pool():
    with small_engine.connect() as connection:
        connection.execute(NAP)

# %%
if "postgres" in have:
    await compare("SQLAlchemy", "03", "/create_engine", "/create_async_engine")
    small = await lab.race("/small_pool", n=10, show=False)
    lab.diagrams.pools(in_tokens=10, note="Ten threads, and a pool with fewer sessions than that: some wait for a session.").show()
    served = sum(request.ok for request in small.requests)
    print(f"/small_pool: {served} of 10 served; the loop was blocked for {small.blocked_seconds:.2f} s")

# %% [markdown]
# ## MySQL
#
# Lesson 03 again. PyMySQL blocks. aiomysql is built on it, and is awaited.

# %%
# %%app table_mysql.py
import os
from urllib.parse import urlsplit

import aiomysql
import pymysql
from fastapi import FastAPI

url = urlsplit(os.environ.get("MYSQL_URL", ""))
WHERE = {"host": url.hostname, "port": url.port, "user": url.username, "password": url.password or ""}
app = FastAPI()

@app.get("/pymysql")
async def blocking():
    with pymysql.connect(**WHERE) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT SLEEP(0.2)")

@app.get("/aiomysql")
async def fixed():
    async with aiomysql.connect(**WHERE) as connection, connection.cursor() as cursor:
        await cursor.execute("SELECT SLEEP(0.2)")

# %%
if "mysql" in have:
    await compare("MySQL", "03", "/pymysql", "/aiomysql")
else:
    print("There is no MySQL here: this row is left out.")

# %% [markdown]
# ## Redis
#
# Lesson 04. What was called aioredis is now a part of redis-py, `redis.asyncio`.

# %%
# %%app table_redis.py
import os
from contextlib import asynccontextmanager

import redis
import redis.asyncio
from fastapi import FastAPI

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1")
client = redis.Redis.from_url(URL)

@asynccontextmanager
async def lifespan(app):
    async with redis.asyncio.from_url(URL) as app.state.redis:
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/redis")
async def blocking():
    client.blpop("nothing", timeout=0.2)

@app.get("/redis_asyncio")
async def fixed():
    await app.state.redis.blpop("nothing", timeout=0.2)

# %%
if "redis" in have:
    await compare("Redis", "04", "/redis", "/redis_asyncio")

# %% [markdown]
# ## Files and programs
#
# Lesson 05. The file was written a moment ago, so the operating system still has it in memory, and only a large file takes noticeable time to read.
# `aiofiles` reads it in a thread. On a network share, a small file can take as long as this large one.
#
# The second app, from lesson 06, starts a program and waits for it to end.

# %%
# %%app table_files.py
import aiofiles
from fastapi import FastAPI

app = FastAPI()


@app.get("/open")
async def blocking(name: str):
    with open(name, "rb") as file:
        return len(file.read())


@app.get("/aiofiles")
async def fixed(name: str):
    async with aiofiles.open(name, "rb") as file:
        return len(await file.read())


# %%
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    large = Path(folder, "large")
    large.write_bytes(bytes(100_000_000))
    await compare("a large file", "05", f"/open?name={large}", f"/aiofiles?name={large}")

# %%
# %%app table_programs.py
import asyncio
import subprocess
import sys

from fastapi import FastAPI

NAP = [sys.executable, "-S", "-c", "import time; time.sleep(0.2)"]
app = FastAPI()


@app.get("/subprocess_run")
async def blocking():
    subprocess.run(NAP)


@app.get("/asyncio_exec")
async def fixed():
    process = await asyncio.create_subprocess_exec(*NAP)
    await process.wait()  # it prints nothing; where there is a pipe, communicate()


# %%
await compare("a program", "06", "/subprocess_run", "/asyncio_exec")

# %% [markdown]
# ## Computing in a thread
#
# Lesson 07. Pillow releases the GIL while it works on an image, and bcrypt while it hashes a password. So a thread fixes both completely.

# %%
# %%app table_images.py
import asyncio

import bcrypt
from fastapi import FastAPI
from PIL import Image

app = FastAPI()
photo = Image.effect_noise((1200, 1200), 60)
SALT = bcrypt.gensalt()
JOBS = {
    "picture": lambda: photo.resize((4000, 4000), Image.Resampling.LANCZOS).size,
    "password": lambda: len(bcrypt.hashpw(b"secret", SALT)),
}

@app.get("/in_line/{job}")
async def blocking(job: str):
    return JOBS[job]()

@app.get("/to_thread/{job}")
async def fixed(job: str):
    return await asyncio.to_thread(JOBS[job])

# %%
await compare("an image", "07", "/in_line/picture", "/to_thread/picture")
await compare("a password", "07", "/in_line/password", "/to_thread/password")

# %% [markdown]
# ## Computing in a process
#
# Lesson 08. A regular expression that backtracks holds the GIL to its end, in whichever thread it runs.
# So the "blocking" endpoint of the next app already uses a thread, and the fixed one a process.

# %%
# %%app table_regex.py
import asyncio
import re
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context

from fastapi import FastAPI

JOB = re.fullmatch, "(a+)+b", 22 * "a"

@asynccontextmanager
async def lifespan(app):
    with ProcessPoolExecutor(1, get_context("spawn")) as app.state.pool:
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/in_a_thread")
async def thread():
    await asyncio.to_thread(*JOB)

@app.get("/in_a_process")
async def process():
    await asyncio.get_running_loop().run_in_executor(app.state.pool, *JOB)

# %%
await lab.race("/in_a_process", n=1, show=False)  # the first one starts the process
await compare("a regex", "08", "/in_a_thread", "/in_a_process")

# %% [markdown]
# The pool has one process. Four jobs wait for it, and that's as it should be: a larger pool would only divide the same cores.
# What counts is that other requests are served in the meantime.
#
# ## The table

# %%
from IPython.display import Markdown, display

lines = ["| | lesson | four requests, blocking | fixed | slowest canary, blocking | fixed |", "|---|---|--:|--:|--:|--:|"]
for name, (lesson, bad, good) in rows.items():
    # the responses of a background task are over before the task begins: a ratio of them says nothing
    ratios = ["–", "–"] if name == "a background task" else [f"{race.ratio:.1f} × one" for race in (bad, good)]
    canaries = [f"{1000 * race.worst_canary:.0f} ms" for race in (bad, good)]
    lines.append("| " + " | ".join([name, lesson, *ratios, *canaries]) + " |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# Read the last two columns first. The regex seems slower after the fix, because its four jobs wait for one process, but its canary isn't. A fix doesn't always make the request itself faster, and a thread or a process has its price. It always keeps the *other* requests fast.
#
# ## What a linter finds
#
# [ruff](https://docs.astral.sh/ruff/)'s rules of the group `ASYNC` look for blocking calls in `async def`. You can add what they don't know: the rule `TID251` forbids the imports
# in a list of your own. This is a configuration to copy, for `pyproject.toml`. The cell runs ruff on the files of this page, first with `ASYNC` alone, then with the configuration.
# (`extend-select` adds to the rules that ruff has by default, so there may be a finding of those as well.)
#
# ### Your turn
#
# PyMySQL isn't on the list. Write the line that bans it in the place of `None`, like those above it, and run the cell again.

# %%
import subprocess
import sys

CONFIGURATION = """
[tool.ruff.lint]
extend-select = ["ASYNC", "TID251"]

[tool.ruff.lint.flake8-tidy-imports.banned-api]
"requests".msg = "It blocks. In async code: httpx.AsyncClient."
"psycopg2".msg = "It blocks. In async code: asyncpg."
"redis.Redis".msg = "It blocks. In async code: redis.asyncio.Redis."
"""
your_line = None  # a string

def ruff(*options):
    command = [sys.executable, "-m", "ruff", "check", *options, "--output-format", "concise", *files]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1", "CLICOLOR_FORCE": "0"}).stdout

files = sorted(file.name for file in Path().glob("table_*.py"))
found = ruff("--isolated", "--select", "ASYNC")
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "pyproject.toml").write_text(CONFIGURATION + (your_line or ""))
    found_now = ruff("--config", f"{folder}/pyproject.toml")
print(found_now)
for what, report in (("ASYNC alone", found), ("the configuration", found_now)):
    print(f"Files in which {what} finds nothing:", ", ".join(file for file in files if file not in report))

# %% [markdown]
# <details><summary>The line</summary>
#
# `'"pymysql".msg = "It blocks. In async code: aiomysql."'`
#
# </details>
#
# The `ASYNC` rules miss the database drivers, Redis and everything CPU-bound, and they don't follow calls into your own functions. They cost nothing, so use them, but a clean report proves nothing.
#
# A ban applies to the import and not to the call. So it also reports code that uses the library in a thread, as `/def` does. Such an import gets
# a `noqa` comment for TID251, and a reviewer sees it. SQLAlchemy isn't on the list either: complete it with what you use.
#
# ## A checklist for code reviews
#
# - In each `async def`: what is called without `await`, and how long can it take? Follow the calls down to the library.
# - Dependencies, middleware and validators: they run around every request, and an `async def` among them can block every user.
# - Clients, pools, engines, SDKs: created once, in the lifespan, and closed there? Each new TLS context and each fetch of signing keys per request costs everyone.
# - Models and large files: loaded and warmed up in the lifespan, not by the first request?
# - Each wait for another service: is there a timeout? What happens to the connection, the process, the thread when it fires?
# - A loop with `await` in it: does one step need the one before? If not, `gather` or a `TaskGroup`, with a limit.
# - A lock, a queue, a future: from `asyncio`, not from `threading`? Is it held across an `await` on something slow?
# - `def` endpoints: how many are slow at once? All of them share 40 threads. Is the pool of database connections as large?
# - A thread for computing: does that code release the GIL? And are the objects it uses **thread-safe**? A database session isn't.
# - A large response, a large body: which code serialises it, and how long does that take?
# - A test: would it fail if the loop were blocked? Lesson 12 has one that does.
#
# ## Deeper: fixes that don't fix
#
# Three of them, measured. In each, a colleague has already changed the blocking code.

# %%
# %%app not_fixed.py
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

app, lock = FastAPI(), asyncio.Lock()

@app.get("/sleep_zero")
async def sleep_zero():
    for _ in range(4):
        sum(n * n for n in range(1_000_000))
        await asyncio.sleep(0)


@app.get("/with_pool")
async def with_pool():
    with ThreadPoolExecutor() as pool:
        pool.submit(time.sleep, 0.2)


@app.get("/one_lock")
async def one_lock():
    async with lock:
        await asyncio.sleep(0.2)


# %%
not_fixed = {path: await lab.race(path, n=4, show=False) for path in ("/sleep_zero", "/with_pool", "/one_lock")}
for path, race in not_fixed.items():
    print(f"{path:12} four requests took {race.seconds:.2f} s, the loop was blocked for {race.blocked_seconds:.2f} s")

# %% [markdown]
# | people write | what happens | write instead | related lesson |
# |---|---|---|---|
# | `await asyncio.sleep(0)` between chunks of computing | the loop gets one iteration per chunk and is blocked during each | a process | 07, 08 |
# | `with ThreadPoolExecutor()` inside `async def` | leaving the `with` waits for the threads, on the loop | one pool from the lifespan | 07 |
# | one `asyncio.Lock` around a slow handler | the loop is free, and requests are served one at a time | a lock per key, or a semaphore | 02, 04 |
# | `to_thread` around a call that holds the GIL (`json.dumps`, a regex, `gc.collect`) | the loop waits for the GIL | a process; for the GC, `gc.freeze()` | 08, 11 |
# | `to_thread(client.get_object)`, then `.read()` on the loop | the download itself blocks | the whole job in one thread | 05 |
# | a health probe turned into `def` | it waits for one of the 40 threads | `async def`, and a readiness check of its own | 09, 13 |
# | lowering the limit of 40 threads, against overload | whatever else needs a thread waits too, such as the validation of a response model | a limiter of its own for the heavy work | 09, 10 |
# | a longer timeout for sqlite's lock, in `async def` | a longer block | `to_thread`, or aiosqlite | 10 |
# | more workers | the queue is shorter, and each process still blocks | fix the line | 13 |
# | "my app is correct, but two browser tabs run one after the other" | the browser queues identical URLs | test with two different URLs | 12 |
#
# To call async code from a `def` endpoint, don't start a loop with `asyncio.run`: a client or pool that belongs to the app's loop fails or hangs there.
# `anyio.from_thread.run(function, argument)` runs an `async def` on the app's own loop and waits for it in the thread.
#
# ## Deeper: what you may have read, and what is true
#
# Much is written about FastAPI and blocking. Some of it is old, and some was never measured.
#
# | you may have read | what is true | measured in lesson |
# |---|---|---|
# | For Redis, take aioredis. | It's part of redis-py now, as `redis.asyncio`. | [04](../04_redis/lesson_04_redis.ipynb) |
# | Open clients in `@app.on_event("startup")`. | That's deprecated. Open and close them in a lifespan. | [02](../02_calling_http/lesson_02_calling_http.ipynb) |
# | `async with httpx.AsyncClient()` in each request is the fix. | Each new client costs the loop time. Share one. | [02](../02_calling_http/lesson_02_calling_http.ipynb) |
# | A thread fixes CPU-bound work. | Only if the work releases the GIL. One long call in C holds it to its end. | [07](../07_threads/lesson_07_threads.ipynb), [08](../08_processes/lesson_08_processes.ipynb) |
# | With aiofiles, files are read asynchronously. | It offloads to threads, line by line. One `to_thread` for the whole job is cheaper. | [05](../05_files/lesson_05_files.ipynb) |
# | `def` endpoints are safe, since they run in threads. | They share forty. Further ones wait, and so do `def` dependencies. | [09](../09_def_or_async/lesson_09_def_or_async.ipynb) |
# | Test it: ten requests in less than two seconds. | That test passes blocking code and fails correct code. | [12](../12_testing_for_it/lesson_12_testing_for_it.ipynb) |
# | You can see the line that blocks. | Not when it's the JSON of your response, a log or a middleware. | [10](../10_blockers_you_did_not_write/lesson_10_blockers_you_did_not_write.ipynb) |
#
# ## Your own service
#
# The lab serves any file, not only cells. In a notebook of the course:
#
# ```python
# from autograder import lab
#
# app = lab.serve("/home/me/shop/main.py")
# load = await lab.load(["/", "/items/{i}", "/search?words={i}"], seconds=5, rate=20)
# print(*load.blockers, sep="\n")
# ```
#
# Four conditions:
#
# - The file has a variable `app`, and its name is a Python name that doesn't hide a library: `main.py`, but not `my-app.py` or `fastapi.py`.
# - It runs in the course's Python. What it imports must be installed there: `%pip install ...` in a cell.
# - It's started in its own folder and imported as a single module, so `from . import models` fails. If your app is in a package, write a small file
#   next to the package that says `from shop.main import app`.
# - Environment variables, such as the address of a *test* database, are passed on: set them in `os.environ` before you serve.
#
# A race and a load send real requests. Never point them at a service that others use.
#
# ## Take it home
#
# The lab needs your app in the course's Python. What you can install into *any* service is **freeloop**, a small package with the same watchdog that draws the event loop lane
# in this course. It has no dependencies. In your service's own environment, install it from a clone of this course: `pip install PATH/autograder/takehome`. The next cell doesn't install it; it adds the folder to Python's search path.
#
# The service in the next cells is built like one of yours: it's a package with settings, a `.env` file and a database. freeloop generates it as an example;
# to use your own service instead, change `project` and `target`.
#
# `audit` serves the app in its own folder, sends requests on this machine only, and lists the lines that block its loop. Before you run it: `/report` and `/accounts/{name}` both query
# SQLite, and only one of them blocks the loop. Which one, and why not the other?

# %%
from autograder import paths

project, target = "ledger_project", "ledger.main:app"

def run(module, *words):
    """Run a module in the project's folder, as in a terminal; print and return what it says."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(paths.TAKEHOME), "."]), "COLUMNS": "120"}
    done = subprocess.run([sys.executable, "-m", module, *words], cwd=project, env=environment, capture_output=True, text=True)
    print(done.stdout)
    return done

Path(project).mkdir(exist_ok=True)
if not Path(project, "ledger").exists():
    run("freeloop", "example", ".")
    print(Path(project, "ledger", "main.py").read_text())

audit = run("freeloop", "audit", target, "--env-file", ".env", "--requests", "5", "--seconds", "0.5", "--max-block", "100ms")
print("exit code:", audit.returncode)

# %% [markdown]
# The line is in `database.py`, two calls away from its endpoint. `/accounts/{name}` is a `def` endpoint, so FastAPI runs its query in a thread. An exit code of 1 is what a CI job needs: the budget of 100 ms is exceeded.
#
# ### A test that keeps it out
#
# The project has a test with freeloop's pytest plugin, `test_ledger.py`. It proves the same two things as the test that you built in lesson 12: reports *overlap*, because all four are held
# at a gate at the same moment, and the loop *stays free*. As long as the endpoint blocks, both tests fail and name the line. The next cell runs them, removes the `async` of `report` so that its query runs in a thread, and runs them again.

# %%
print(Path(project, "test_ledger.py").read_text())
# -c with an empty file: the settings of the course's own tests, in a folder above, don't apply here
TEST = ("pytest", "-q", "-c", os.devnull, "-p", "freeloop.pytest_plugin", "-p", "no:cacheprovider", "--rootdir", ".", "--tb=line")
red = run(*TEST)

main = Path(project, "ledger", "main.py")
blocking = main.read_text()
main.write_text(blocking.replace("async def report", "def report"))
green = run(*TEST)
_ = main.write_text(blocking)  # as it was, so that the cells can run again

# %% [markdown]
# In production, freeloop's middleware, `app.add_middleware(LoopMonitor, budget="100ms")`, logs the route and the line when a budget is exceeded, and exports the loop's lag to Prometheus or OpenTelemetry,
# with waits for a CPU counted separately. The package's README explains all of this.
#
# ## What you have seen
#
# - Five questions decide how to write a function, and a checklist helps in code reviews.
# - The table has the main patterns of lessons 01 to 10, blocking and fixed, as measured on your machine. Its last columns show that other requests pay for a blocked loop.
# - A linter finds some blocking calls for free, and you can add to its list. It doesn't see the rest.
# - You can serve your own service in the lab, or audit and test it where it is.
#
# ## Check yourself
#
# **1.** A colleague shows you a service whose `async def` endpoints call nothing but async libraries. Now and then it still serves no request
# for a second. Where do you look?
#
# <details><summary>Answer</summary>
#
# At code that isn't in the endpoints: large responses that are serialised, large bodies that are validated, log handlers, middleware, background tasks, the garbage collector.
# And at computing done on the loop. Measure first: lesson 11 has the tools.
#
# </details>
#
# **2.** Another colleague fixed everything with `asyncio.to_thread`, including the calls to a slow service. Is that wrong?
#
# <details><summary>Answer</summary>
#
# The loop is free, so no other request waits for it. But `to_thread` has only a few threads. When the slow service hangs, they are soon all taken,
# and whatever else needs one waits, such as reading files and resolving names. An async library needs no thread,
# and the limit of its pool is its own.
#
# </details>
#
# ## Words of this lesson
#
# - **blocking, non-blocking**: a blocking call keeps its thread until it's done. A non-blocking call gives the thread back while it waits.
# - **I/O-bound, CPU-bound**: I/O-bound work mostly waits for input or output. CPU-bound work mostly computes.
# - **sequential, concurrent, parallel**: sequential requests run one after the other. Concurrent ones are in progress during the same time. Parallel ones execute at the same instant, on several cores.
# - **thread-safe**: correct even when several threads use it at the same time.
# - **connection pool**: connections that are kept open and lent to one request at a time.
# - **back-pressure**: slowing down callers so that a service isn't overloaded.
# - **lifespan**: what an app does before its first request and after its last one.
#
# ## Further reading
#
# - FastAPI, *Concurrency and async / await*: https://fastapi.tiangolo.com/async/
# - Python, *Developing with asyncio*: https://docs.python.org/3/library/asyncio-dev.html
# - AnyIO, *Working with threads*: https://anyio.readthedocs.io/en/stable/threads.html
# - ruff, *flake8-async*: https://docs.astral.sh/ruff/rules/#flake8-async-async
