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
# This page takes about 15 minutes to run and read. You need the lessons before it; each row below names the lesson that explains it.
# Keep it: it is meant to be opened again, beside your own code.
#
# You will find
#
# - the main patterns of lessons 01 to 10, blocking and repaired, side by side and raced once more on your machine;
# - the table that comes out of it;
# - what a linter finds of it, and a configuration to copy;
# - how to decide, in five questions, and a checklist for code reviews;
# - what you may have read elsewhere, and what is true;
# - how to point these tools at a service of your own;
# - where to read on.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab, services
# %load_ext autograder.lab

# %% [markdown]
# ## How each row is measured
#
# `compare` races four requests against the blocking endpoint, then four against the repaired one. It notes two things.
#
# - How long all four took, as a multiple of the quickest. Side by side it is near 1. One after the other it is near 4.
# - How long another guest, who wanted next to nothing from the same app, waited at worst. That is the canary of the pictures.
#
# The next cell defines it, and starts the services that the apps ask. If this machine does not have one of them, the cell says so,
# and its rows are left out.

# %%
import os

rows, have = {}, set()

async def compare(name, lesson, before, after):
    bad = await lab.race(before, n=4, show=False)
    good = await lab.race(after, n=4, show=False)
    rows[name] = (lesson, bad, good)
    for race in (bad, good):
        wait = 1000 * race.worst_canary
        print(f"{race.title:21} four took {race.ratio:.1f} times one; another guest waited {wait:.0f} ms at worst")

for name in sorted(services.KINDS.keys() & {"upstream", "postgres", "redis", "mysql"}):
    try:
        os.environ.update(services.get(name).environment)
        have.add(name)
    except services.ServiceError as problem:
        print(f"{name}: {problem}")
print("Running:", ", ".join(sorted(have)))

# %% [markdown]
# ## Sleeping
#
# Lesson 01.

# %%
# %%app table_sleep.py
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/sleep")
async def blocking():
    time.sleep(0.2)


@app.get("/asyncio_sleep")
async def repaired():
    await asyncio.sleep(0.2)


# %%
await compare("a sleep", "01", "/sleep", "/asyncio_sleep")

# %% [markdown]
# ## Asking over HTTP
#
# Lesson 02. The client is made once, in the lifespan: each new one costs the loop time.
#
# Where an endpoint must keep `requests`, take its `async` away. FastAPI then runs it in a thread (lesson 09).

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
async def repaired():
    return (await app.state.client.get(ITEM)).json()

@app.get("/def")
def repaired_too():
    return requests.get(ITEM).json()

# %%
await compare("HTTP", "02", "/requests", "/httpx")
await compare("HTTP, def", "09", "/requests", "/def")

# %% [markdown]
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
async def repaired():
    await app.state.pool.execute("SELECT pg_sleep(0.2)")

# %%
if "postgres" in have:
    await compare("PostgreSQL", "03", "/psycopg2", "/asyncpg")

# %% [markdown]
# The same through SQLAlchemy. The word after the plus sign in the address is the driver, and it decides everything.

# %%
# %%app table_sqlalchemy.py
import os

from fastapi import FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

URL = os.environ.get("DATABASE_URL", "postgresql://")
NAP = text("SELECT pg_sleep(0.2)")
plain_engine = create_engine(URL.replace("postgresql:", "postgresql+psycopg2:"))
async_engine = create_async_engine(URL.replace("postgresql:", "postgresql+asyncpg:"))
app = FastAPI()

@app.get("/create_engine")
async def blocking():
    with plain_engine.connect() as connection:
        connection.execute(NAP)

@app.get("/create_async_engine")
async def repaired():
    async with async_engine.connect() as connection:
        await connection.execute(NAP)

# %%
if "postgres" in have:
    await compare("SQLAlchemy", "03", "/create_engine", "/create_async_engine")

# %% [markdown]
# ## MySQL
#
# Lesson 03 again. PyMySQL blocks. aiomysql is built upon it, and is awaited.

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
async def repaired():
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
# Lesson 04. What was called aioredis lives on inside redis-py, as `redis.asyncio`.

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
async def repaired():
    await app.state.redis.blpop("nothing", timeout=0.2)

# %%
if "redis" in have:
    await compare("Redis", "04", "/redis", "/redis_asyncio")

# %% [markdown]
# ## Files
#
# Lesson 05. The file must be large to take any time: most of it lies in the machine's memory.
# `aiofiles` reads it in a thread.

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
async def repaired(name: str):
    async with aiofiles.open(name, "rb") as file:
        return len(await file.read())


# %%
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    large = Path(folder, "large")
    large.write_bytes(bytes(100_000_000))
    await compare("a large file", "05", f"/open?name={large}", f"/aiofiles?name={large}")

# %% [markdown]
# On a network share a small file does what only a large one does here. Lesson 05 has a slow one.
#
# ## Programs
#
# Lesson 06.

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
async def repaired():
    process = await asyncio.create_subprocess_exec(*NAP)
    await process.wait()  # it prints nothing; where there is a pipe, communicate()


# %%
await compare("a program", "06", "/subprocess_run", "/asyncio_exec")

# %% [markdown]
# ## Work in a thread
#
# Lesson 07. Pillow lets go of the GIL while it works on a picture, and bcrypt while it hashes a password. So a thread is a full repair.

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
async def repaired(job: str):
    return await asyncio.to_thread(JOBS[job])

# %%
await compare("a picture", "07", "/in_line/picture", "/to_thread/picture")
await compare("a password", "07", "/in_line/password", "/to_thread/password")

# %% [markdown]
# ## Work in a process
#
# Lesson 08. A regular expression that tries way after way through its text keeps the GIL to its end, in whichever thread it runs.
# So the next app has two attempts: a thread, and a process.

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
# The pool has one process. Four jobs queue for it, and that is as it should be: a larger pool would only share out the same cores.
# What counts is that everybody else is answered meanwhile.
#
# ## Behind the answer
#
# Lesson 10. A background task runs when its guest has the answer already. So look at the other guest. The middleware, the log, the lock, the queue and
# the large answers of that lesson have no row here.

# %%
# %%app table_task.py
import time

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()

async def mail_on_the_loop():
    time.sleep(0.2)

def mail_in_a_thread():
    time.sleep(0.2)

@app.get("/async_def_task")
async def blocking(later: BackgroundTasks):
    later.add_task(mail_on_the_loop)

@app.get("/def_task")
async def repaired(later: BackgroundTasks):
    later.add_task(mail_in_a_thread)

# %%
await compare("a mail, later", "10", "/async_def_task", "/def_task")

# %% [markdown]
# ## The table
#
# One line a row, as measured just now. Read the last two columns first.

# %%
print(f"{'row':14}lesson  four requests, as a multiple of one    another guest waited, ms")
print(f"{'':22}{'blocking':>12}{'repaired':>12}{'blocking':>20}{'repaired':>12}")
for name, (lesson, bad, good) in rows.items():
    waits = f"{1000 * bad.worst_canary:>20.0f}{1000 * good.worst_canary:>12.0f}"
    print(f"{name:14}{lesson:8}{bad.ratio:>12.1f}{good.ratio:>12.1f}{waits}")

# %% [markdown]
# The row of the regex looks worse where it is repaired: its four jobs queue for one process. Look at the other guest.
#
# A repaired row is not always faster for the one who asks. It is always kinder to all others.
# For files and work it may even be slower: a thread or a process has its price.
#
# ## What a linter finds of it
#
# [ruff](https://docs.astral.sh/ruff/) has rules that look for blocking calls in `async def`, the group `ASYNC`.
# We let it read the files of this page.

# %%
import subprocess
import sys

files = sorted(file.name for file in Path().glob("table_*.py"))
ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "ASYNC", "--output-format", "concise"]
plain = {**os.environ, "NO_COLOR": "1", "CLICOLOR_FORCE": "0"}
found = subprocess.run([*ruff, *files], capture_output=True, text=True, env=plain).stdout
print(found)
print("Files in which it finds nothing:", ", ".join(file for file in files if file not in found))

# %% [markdown]
# Count the files that it does not name: the drivers of databases, Redis, all work. And it does not look into the functions that you call.
# It costs nothing, so use it. It is no proof.
#
# What it does not know, you can name. The rule `TID251` forbids the imports of a list. This is the configuration to copy, for `pyproject.toml`.
# The cell runs it as it stands. `extend-select` adds to the rules that ruff has by default, so there may be a finding of those as well.

# %%
CONFIGURATION = """
[tool.ruff.lint]
extend-select = ["ASYNC", "TID251"]

[tool.ruff.lint.flake8-tidy-imports.banned-api]
"requests".msg = "It blocks. In async code: httpx.AsyncClient."
"psycopg2".msg = "It blocks. In async code: asyncpg."
"redis.Redis".msg = "It blocks. In async code: redis.asyncio.Redis."
"""
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "pyproject.toml").write_text(CONFIGURATION)
    ruff = [sys.executable, "-m", "ruff", "check", "--config", f"{folder}/pyproject.toml", "--output-format", "concise"]
    found_now = subprocess.run([*ruff, *files], capture_output=True, text=True, env=plain).stdout
print(found_now)
print("Files in which it finds nothing:", ", ".join(file for file in files if file not in found_now))

# %% [markdown]
# A ban looks at the import and not at the call. So it also accuses those who use the library in a thread, as `/def` does. They write
# `# noqa: TID251` behind the import, and a reviewer sees it. PyMySQL is not on the list, nor is SQLAlchemy: complete it with what you use.
#
# ## How to decide
#
# Take the questions in this order. The first *yes* decides.
#
# | question | write | lesson |
# |---|---|---|
# | Does it wait or work for less than about a millisecond, always? | leave it in line | 05, 07 |
# | Does it wait, and is there a library that is awaited? | `async def`, and its client or pool from the lifespan | 02, 03, 04, 06 |
# | Does it wait, and is there only a library that blocks? | a `def` endpoint, or `await asyncio.to_thread(...)` in an `async def` | 02, 09 |
# | Does it work, in code that lets go of the GIL (pictures, bcrypt, hashes of large data, much of numpy)? | `await asyncio.to_thread(...)` | 07 |
# | Does it work, in Python or in one long call (`sorted`, `json`, `re`)? | a `ProcessPoolExecutor` from the lifespan; for minutes of work, a queue and a worker of its own | 08 |
#
# Each repair has a limit that must be chosen: 40 threads for all `def` endpoints together, a few more than the cores for `to_thread`,
# the size of a pool, the number of processes. Without a limit the load goes on to whoever is asked. With one that is too small, a queue forms.
#
# ## What you may have read, and what is true
#
# Much is written about FastAPI and blocking. Some of it is old, and some was never measured.
#
# | you may have read | what is true | measured in lesson |
# |---|---|---|
# | For Redis, take aioredis. | It is part of redis-py now, as `redis.asyncio`. | [04](../04_redis/lesson_04_redis.ipynb) |
# | Open clients in `@app.on_event("startup")`. | That is deprecated. Open and close them in a lifespan. | [02](../02_calling_http/lesson_02_calling_http.ipynb) |
# | `async with httpx.AsyncClient()` in each request is the repair. | Each new client costs the loop time. Share one. | [02](../02_calling_http/lesson_02_calling_http.ipynb) |
# | A thread repairs heavy work. | Only if the work lets go of the GIL. One long call in C keeps it to its end. | [07](../07_threads/lesson_07_threads.ipynb), [08](../08_processes/lesson_08_processes.ipynb) |
# | With aiofiles, files are read asynchronously. | It uses threads, and one hop for each line. One `to_thread` for the whole job is cheaper. | [05](../05_files/lesson_05_files.ipynb) |
# | `def` endpoints are safe, for they run in threads. | They share forty. Those who come next wait, and so do `def` dependencies. | [09](../09_def_or_async/lesson_09_def_or_async.ipynb) |
# | Test it: ten requests in less than two seconds. | That test passes blockers and fails honest apps. | [12](../12_testing_for_it/lesson_12_testing_for_it.ipynb) |
# | You can see the line that blocks. | Not when it is the JSON of your answer, a log or a middleware. | [10](../10_blockers_you_did_not_write/lesson_10_blockers_you_did_not_write.ipynb) |
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
# What must hold:
#
# - The file has a variable `app`, and its name is a Python name that hides no library: `main.py`, but not `my-app.py` or `fastapi.py`.
# - It runs in the course's Python. What it imports must be installed there: `%pip install ...` in a cell.
# - It is started in its own folder and imported by itself, so `from . import models` fails. If your app is in a package, write a small file
#   beside the package that says `from shop.main import app`.
# - Environment variables, such as the address of a *test* database, are passed on: set them in `os.environ` before you serve.
#
# A race and a load send real requests. Never point them at what others use.
#
# ## A checklist for code reviews
#
# - In each `async def`: what is called without `await`, and how long can it take? Follow the calls down to the library.
# - Dependencies and middleware: an `async def` among them can block everybody, too.
# - Clients, pools and engines: made once, in the lifespan? Closed there?
# - Each wait for somebody else: is there a timeout? What happens to the connection, the process, the thread when it fires?
# - A loop with `await` in it: does one step need the one before? If not, `gather` or a `TaskGroup`, with a limit.
# - A lock, a queue, a future: from `asyncio`, not from `threading`? Is it held across an `await` on somebody else?
# - `def` endpoints: how many are slow at once? All of them share 40 threads.
# - A thread for work: does that work let go of the GIL?
# - A large answer, a large body: who turns it into JSON, and how long does that take?
# - A test: would it fail if the loop were blocked? Lesson 12 has one that does.
#
# ## What you have seen
#
# - The main patterns of lessons 01 to 10 once more, blocking and repaired, measured on your machine.
# - The other guests, in the last columns: it is they who pay for a blocked loop.
# - What a linter finds for nothing, what you can teach it, and what it cannot see.
# - Five questions that decide, and a checklist to keep beside a review.
# - How to bring your own service into the lab.
#
# ## Check yourself
#
# **1.** A colleague shows you a service whose `async def` endpoints call nothing but awaited libraries. It still stands still
# for a second now and then. Where do you look?
#
# <details><summary>Answer</summary>
#
# At what nobody wrote: large answers that become JSON, large bodies that are checked, log handlers, middleware, background tasks.
# And at work that is done in line. Measure first: lesson 11 has the tools.
#
# </details>
#
# **2.** Another colleague repaired everything with `asyncio.to_thread`, also the calls to a slow service. Is that wrong?
#
# <details><summary>Answer</summary>
#
# The loop is free, so nobody else waits. But `to_thread` has only a few threads. When the slow service hangs, they are soon all taken,
# and everything else that needs one waits, reading files and looking up names among it. A library that is awaited needs no thread,
# and the limit of its pool is its own.
#
# </details>
#
# ## Further reading
#
# - FastAPI, *Concurrency and async / await*: https://fastapi.tiangolo.com/async/
# - Python, *Developing with asyncio*: https://docs.python.org/3/library/asyncio-dev.html
# - AnyIO, *Working with threads*: https://anyio.readthedocs.io/en/stable/threads.html
# - ruff, *flake8-async*: https://docs.astral.sh/ruff/rules/#flake8-async-async
