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
# # Files
#
# > **It happened.** An agent server wrote uploads to disk inside an `async def` endpoint, with a plain `open()` and `file.write()`. On a network share
# > each write blocked the event loop, so during an upload of a few megabytes `/health`, running conversations and WebSocket pings had to wait.
# > To reproduce the bug on a fast disk, its test delays every write by 100 ms. ([software-agent-sdk#3119](https://github.com/OpenHands/software-agent-sdk/issues/3119))
#
# **About 25 minutes**, plus 15 for the sections marked "Deeper". You need lesson 01, *Sleeping*: what blocks an event loop, and what
# `def` endpoints, threads and `await` do about it.
#
# You'll see
#
# - what `open` and `read` in an `async def` endpoint do when the file is slow;
# - three fixes, and why each of them is a thread: `asyncio.to_thread`, aiofiles, a `def` endpoint;
# - two fixes that only look right, and an upload that stops the app;
# - which reads you can leave as they are;
# - *deeper:* one thread hop per line, a small pool that everything shares, and a large file on a fast disk.
#
# Most files are read faster than you can measure, so this mistake goes unnoticed for a long time. It doesn't show on the author's machine. It shows on a
# network share, on a disk that has to spin up first, or with a file that has grown.
#
# The next cell loads the tools of the course. If it fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## A slow file
#
# We need a file that is slow every time. Linux and macOS have one (Windows doesn't): the **named pipe**. It has a path and you open it like any file,
# but there is nothing in it until another process or thread writes into the other end.
#
# The next cell makes such files. `archive` creates a pipe and starts a thread that serves it: `serve_file` waits until a reader opens the pipe, lets the reader wait
# for the given number of seconds, and writes. Before it writes, it puts a fresh pipe in place of the old one, for the next reader.

# %%
import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path

folder = Path(tempfile.mkdtemp(prefix="archive-"))
os.environ["ARCHIVE"] = str(folder)

def serve_file(name, seconds):
    path, fresh = folder / name, folder / f"{name}.fresh"
    while path.exists():
        with contextlib.suppress(OSError), open(path, "w") as pipe:  # waits for a reader
            os.mkfifo(fresh)
            os.replace(fresh, path)
            time.sleep(seconds)
            pipe.write(f"the text of {name}")

def archive(name, seconds):
    if not (folder / name).exists():
        os.mkfifo(folder / name)
        threading.Thread(target=serve_file, args=(name, seconds), daemon=True).start()


# %% [markdown]
# These threads run here in the notebook, and the apps don't know about them. An app finds the folder in the environment variable `ARCHIVE`, and sees files.

# %%
for number in range(1, 6):
    archive(f"paper-{number}", seconds=0.3)

began = time.perf_counter()
text = (folder / "paper-1").read_text()
alone = time.perf_counter() - began
print(f"Read {text!r} in {alone:.2f} s.")

# %% [markdown]
# This is how a file on a network share behaves: reading it takes a fraction of a second, in which there is nothing to do but wait. Such work is **I/O-bound**,
# as you know from lesson 00. The opposite is **CPU-bound** work, which spends its time computing.
#
# ## One slow file, five slow responses
#
# Here is the archive's app.

# %%
# %%app archive.py
import os

from fastapi import FastAPI

ARCHIVE = os.environ["ARCHIVE"]
app = FastAPI()


@app.get("/papers/{name}")
async def paper(name: str):
    with open(f"{ARCHIVE}/{name}") as file:
        text = file.read()
    return {"paper": name, "text": text}


# %% [markdown]
# Five clients each ask for a different paper at the same moment (`{i}` stands for the number of the request).

# %%
bad = await lab.race("/papers/paper-{i}", n=5, title="five papers")

# %% [markdown]
# It's the staircase of lesson 01, although the five files have nothing to do with each other. The event loop lane names the line that blocks.
#
# ## A prediction
#
# Now race four papers that are not equally slow: an atlas takes 0.6 seconds, a deed 0.3, a diary 0.2 and a letter 0.1. All four requests are sent together.
#
# How long until the last of them has its response? And how long does the letter take, at least and at most? Replace each `None` with a number, or leave it.

# %%
all_four = lab.predict("all four papers", None, "s")
letter_at_least = lab.predict("the letter, at least", None, "s")
letter_at_most = lab.predict("the letter, at most", None, "s")

# %%
slow = {"atlas": 0.6, "deed": 0.3, "diary": 0.2, "letter": 0.1}
for name, seconds in slow.items():
    archive(name, seconds)

mixed = await lab.race([f"/papers/{name}" for name in slow], title="four papers", prediction=all_four)
lab.diagrams.loop("file.read()", 3 * ["GET /papers"], blocked=True, note="A file isn't a socket: the loop can't wait for it, it can only call read().").show()
letter = mixed.requests[3]
all_four.compare(mixed.seconds)
letter_at_least.compare(letter.seconds, letter_at_most)
print(f"The four files need {sum(slow.values()):.1f} s one after the other, and {max(slow.values()):.1f} s concurrently.")

# %% [markdown]
# ## Which request waits for which
#
# This is what the app's only thread did:
#
# 1. It started the first request and called `open`. The file was there, so `open` returned at once.
# 2. It called `file.read()`. There was nothing to read yet, so the operating system suspended the thread in the middle of the endpoint.
# 3. The other requests arrived, but the thread that should have accepted them was suspended.
# 4. The text came. The thread woke up, finished the response, started the next request, and was suspended again.
# 5. The letter waited for every paper that was started before it: with luck for none of them, without it for all three.
#
# So all four together take at least the sum of their times, and the letter takes anything between 0.1 seconds and that sum.
#
# Nothing in this code says *wait*. `read` waits only if it has to. On most days it doesn't, and the code can't tell you which day it is.
#
# ## The fix: three ways to a thread
#
# `asyncio` has no awaitable function that reads a file. (An **awaitable** is anything you can write after `await`.) An operating system can tell the event loop
# when a *network connection* has something to read; for files on a disk it doesn't. So in every fix, another thread calls `read` and waits.

# %%
# %%app archive_fixed.py
import asyncio
import os
from pathlib import Path

import aiofiles
from fastapi import FastAPI

ARCHIVE = Path(os.environ["ARCHIVE"])
app = FastAPI()


@app.get("/thread/{name}")
async def thread(name: str):
    return {"text": await asyncio.to_thread((ARCHIVE / name).read_text)}


@app.get("/aiofiles/{name}")
async def with_aiofiles(name: str):
    async with aiofiles.open(ARCHIVE / name) as file:
        return {"text": await file.read()}


@app.get("/plain/{name}")
def plain(name: str):
    return {"text": (ARCHIVE / name).read_text()}


# %% [markdown]
# - `asyncio.to_thread(function, ...)` runs the function in another thread and returns an awaitable. `read_text` is the *whole job*: open, read, close.
# - **aiofiles** is a package whose file objects have Python's methods, to be called with `await`. Behind each `await` it runs that one call in a thread.
# - FastAPI itself runs a plain `def` endpoint in a thread.
#
# Here are the same five requests: first with `to_thread`, next to the bad race, and then with the other two.

# %%
good = await lab.race("/thread/paper-{i}", n=5, title="five papers", show=False)
lab.side_by_side(bad, good, titles=("read on the loop", "to_thread"))

with_aiofiles = await lab.race("/aiofiles/paper-{i}", n=5, title="five papers", show=False)
plain = await lab.race("/plain/paper-{i}", n=5, title="five papers", show=False)
lab.side_by_side(with_aiofiles, plain, titles=("aiofiles", "def"))

mixed_again = await lab.race([f"/thread/{name}" for name in slow], show=False)
print(f"Of the four papers, the letter took {letter.seconds:.2f} s before and {mixed_again.requests[3].seconds:.2f} s with to_thread.")

# %% [markdown]
# All three keep the loop free. No paper is read faster than before, but no request waits for another request's paper: the reads run concurrently,
# and a short one finishes early.
#
# ## The fix that only looks right
#
# It's tempting to offload only `read`, because that's the slow call, and to leave `open` on the loop. But `open` can be just as slow: on a network share, the server
# has to find the file first. A named pipe makes that measurable, because opening one for reading waits until a writer opens it too. In the next cells, the
# writer is a second late.

# %%
# %%app half.py
import asyncio
import os

from fastapi import FastAPI

ARCHIVE = os.environ["ARCHIVE"]
app = FastAPI()


@app.get("/half/{name}")
async def half(name: str):
    with open(f"{ARCHIVE}/{name}") as file:
        text = await asyncio.to_thread(file.read)
    return {"text": text}


def read(name):
    with open(f"{ARCHIVE}/{name}") as file:
        return file.read()


@app.get("/whole/{name}")
async def whole(name: str):
    return {"text": await asyncio.to_thread(read, name)}


# %%
def late_writer(name):
    os.mkfifo(folder / name)
    threading.Timer(1, (folder / name).write_text, ["better late than never"]).start()

async def race_with_late_writer(path, name):
    late_writer(name)
    return await lab.race(path, n=1, show=False)

half = await race_with_late_writer("/half/slow-1", "slow-1")
whole = await race_with_late_writer("/whole/slow-2", "slow-2")
lab.side_by_side(half, whole, titles=("only read in a thread", "the whole job"))

# %% [markdown]
# The `await` is there and so is the thread, and the loop is still blocked, by `open`. `exists`, `stat` and `listdir` access the file system as well, and so
# does closing a file that you have written to. Put everything that touches the disk into one function, and offload that function.
#
# ### Your turn
#
# Fix `half` in the cell above (the endpoint, not the file's name), run that cell again, and then this one.

# %%
name = f"slow-{time.monotonic_ns()}"
mine = await race_with_late_writer(f"/half/{name}", name)
opened_on_loop = any("open(" in block.code for block in mine.blocked)
if mine.errors:
    print(f"Not yet: the app raised {mine.errors[0].type}: {mine.errors[0].message}")
else:
    print("Not yet: the loop still waits in `open`." if opened_on_loop else "Right: opening no longer blocks the loop.")

# %% [markdown]
# <details><summary>What to change</summary>
#
# `half` does what `whole` does: it calls `await asyncio.to_thread(read, name)` and opens nothing itself. Turning `half` into a plain `def` that reads directly
# works as well.
#
# </details>
#
# ## A thread that the loop waits for
#
# `to_thread` returns an awaitable. Python's own thread pools, in `concurrent.futures`, are older than `await`: their `submit` returns a *future* that can't be awaited. The next cell reads one slow paper in a pool, and takes the time in three places.
# It runs in the notebook, on the kernel's event loop. **Which line takes the 0.3 seconds?**

# %%
from concurrent.futures import ThreadPoolExecutor

began = time.perf_counter()
with ThreadPoolExecutor() as pool:
    reading = pool.submit((folder / "paper-1").read_text)
    submitted = time.perf_counter() - began
left = time.perf_counter() - began
print(f"submit returned after {1000 * submitted:.0f} ms. The block was left after {left:.2f} s, with the text {reading.result()!r}.")

# %% [markdown]
# The paper is read in another thread, and `submit` returns at once. But a pool's `with` block ends only when all its work is done, and the thread that waits there is the one that
# runs this cell: the loop's. So a thread alone doesn't free the loop. What matters is how the loop waits for it.
#
# These all block the thread that calls them: leaving the `with` block, `pool.shutdown()`, `future.result()`, the next item of `pool.map(...)`, `concurrent.futures.wait(...)` and
# `thread.join()`. In a script or in a `def` endpoint that's fine. On the loop, await something instead: `loop.run_in_executor(pool, function)` returns an awaitable for any pool, as
# `to_thread` does for the one that asyncio has already.
#
# ## An upload
#
# The incident at the top of this lesson was an upload, which is a *write*. Here `box` is a slow place to write to, and `upload.file` is a plain Python file object.
# The first endpoint copies one to the other with `shutil.copyfileobj`, as many examples do.

# %%
# %%app intake.py
import asyncio
import os
import shutil
from pathlib import Path

from fastapi import FastAPI, UploadFile

BOX = Path(os.environ["ARCHIVE"]) / "box"
app = FastAPI()
app.get("/health")(lambda: "ok")

@app.post("/copy")
async def copy(upload: UploadFile):
    with open(BOX, "wb") as target:
        shutil.copyfileobj(upload.file, target)

@app.post("/plain")
def plain(upload: UploadFile):
    with open(BOX, "wb") as target:
        shutil.copyfileobj(upload.file, target)

@app.post("/await_read")
async def await_read(upload: UploadFile):
    await asyncio.to_thread(BOX.write_bytes, await upload.read())


# %% [markdown]
# `box` is a named pipe again, and this time the notebook holds the reading end. It reads nothing for a second, so the app's writes have to wait, and during that second a health
# probe arrives. The cell sends upload and probe with httpx, as in lesson 02, because a race can't send files.

# %%
import asyncio

import httpx

os.mkfifo(folder / "box")
server = lab.serve("intake.py")

async def probe_during_upload(way):
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        upload = asyncio.create_task(client.post(f"/{way}", files={"upload": b"x" * 500_000}))
        box = await asyncio.to_thread(open, folder / "box", "rb")  # waits until the app begins to write
        threading.Timer(1, box.read).start()
        began = time.perf_counter()
        await client.get("/health")
        return time.perf_counter() - began, (await upload).status_code

uploads = {way: await probe_during_upload(way) for way in ("copy", "plain", "await_read")}
for way, (waited, status) in uploads.items():
    print(f"{way:10} status {status}; the health probe took {waited:.2f} s")


# %% [markdown]
# With `copyfileobj` on the loop, the probe waits until the box has been read. A few late probes in a row, and Kubernetes restarts the container. In a `def`
# endpoint, the copy delays no other request. If the endpoint has to be `async def`, await the reading and offload the writing. (`await upload.read()` holds the whole
# upload in memory. For large ones, read a piece, offload its writing, and repeat.)
#
# ## When not to bother
#
# How long does a file of one kilobyte on the machine's own disk take: directly, through a thread, through aiofiles? Each is read 300 times; the median is the time that
# half of the reads stay below.

# %%
import aiofiles

small = folder / "small.txt"
small.write_text("x" * 1000)

async def directly():
    return small.read_text()

async def through_aiofiles():
    async with aiofiles.open(small) as file:
        return await file.read()

async def median(read):
    took = []
    for _ in range(300):
        began = time.perf_counter()
        await read()
        took.append(time.perf_counter() - began)
    return sorted(took)[150]

direct, hop = await median(directly), await median(lambda: asyncio.to_thread(small.read_text))
hops = await median(through_aiofiles)
for way, seconds in (("directly", direct), ("through a thread", hop), ("through aiofiles", hops)):
    print(f"{way:17} {seconds * 1e6:4.0f} µs, {seconds / direct:4.1f} times the direct read")


# %% [markdown]
# Going to a thread and back is called a **thread hop**, and aiofiles needs three of them here: `open`, `read` and `close`. The direct read does block the loop, but for less
# time than any of the fixes takes. So leave these as they are:
#
# - **Small files on the machine's own disk:** a template, a settings file, a picture of a few kilobytes.
# - **Files that are read at start-up.** A small file that never changes belongs there: read it once, and keep the text in memory.
# - **Scripts and jobs,** which have no other requests to serve.
#
# Don't leave these: a path that may lead to a network share, a file that grows, a file whose size a client decides.
#
# The core of the lesson ends here. The sections marked *Deeper* can wait for another day; the summary and the exercise don't need them.
#
# ## Deeper: one thread hop per line
#
# With aiofiles you can also write `async for line in file`. It looks like the right way to count lines. Here is a log of 5,000 lines, counted in the notebook (which has an event
# loop too): once line by line with aiofiles, and once as a whole job in a single `to_thread`.

# %%
line = "a visitor came\n"
small_log = folder / "small.log"
small_log.write_text(line * 5_000)

def count(path):
    with open(path) as file:
        return sum("visitor" in line for line in file)

began = time.perf_counter()
async with aiofiles.open(small_log) as file:
    counted = sum(["visitor" in line async for line in file])
hop_per_line = time.perf_counter() - began

began = time.perf_counter()
whole_count = await asyncio.to_thread(count, small_log)
one_hop = time.perf_counter() - began
print(f"{counted:,} lines with a hop per line: {1000 * hop_per_line:.0f} ms.")
print(f"{whole_count:,} lines with one hop: {1000 * one_hop:.1f} ms, {hop_per_line / one_hop:.0f} times as fast.")

# %% [markdown]
# The loop was free all the time, so no canary would have been late. The time went into thread hops: for each line, the loop wakes a thread, the thread takes one line out of a buffer in
# memory, and wakes the loop again. So hop once for the whole job. If the file is too large for that, hop once for each large piece.
#
# ### Your turn
#
# How large should a piece be? Change the number of bytes: run the cell with 100, 10,000 and 1,000,000. Before each run, predict the number of reads. Each of them is a hop.

# %%
piece = 1_000  # try 100, 10_000, 1_000_000
began, reads = time.perf_counter(), 1  # the last read finds the end
async with aiofiles.open(small_log, "rb") as file:
    while await file.read(piece):
        reads += 1
print(f"{small_log.stat().st_size:,} bytes in pieces of {piece:,}: {reads} reads, {1000 * (time.perf_counter() - began):.1f} ms.")

# %% [markdown]
# <details><summary>What you should find</summary>
#
# The number of reads is the size of the file divided by the size of a piece, rounded up, plus the one that finds the end. While there are many reads, the time follows their number;
# once a single piece holds the whole file, larger pieces gain nothing and only cost memory.
#
# </details>
#
# ## Deeper: a small pool that everything shares
#
# Where do the threads come from? `to_thread` takes them from a pool that belongs to the event loop, asyncio's **default executor**: a `ThreadPoolExecutor` whose size is the number of cores plus four,
# but at most 32. (From Python 3.13 on, only the cores that this process may use count.) A `def` endpoint takes its thread from another pool, the one with 40 threads that you know from lesson 01.
#
# ### Your turn
#
# Send more requests than the default executor has threads. Choose their number, and predict how many times as long as one request all of them take: with `to_thread`, and with `def`.

# %%
import math

threads = ThreadPoolExecutor()._max_workers  # there is no public name for it
readers = threads + 2  # try threads, 2 * threads
for number in range(6, readers + 1):
    archive(f"paper-{number}", seconds=0.3)

server = lab.serve("archive_fixed.py")
small_pool = await lab.race("/thread/paper-{i}", n=readers, title=f"{readers} papers", show=False)
lab.diagrams.pools(in_threads=readers).show()
large_pool = await lab.race("/plain/paper-{i}", n=readers, title=f"{readers} papers", show=False)
lab.side_by_side(small_pool, large_pool, titles=("to_thread", "def"))
print(f"{os.cpu_count()} cores, {threads} threads in the default executor.")
print(f"{readers} requests need {math.ceil(readers / threads)} rounds of {threads} threads, and {math.ceil(readers / 40)} of 40.")

# %% [markdown]
# <details><summary>Why</summary>
#
# A request that finds no free thread waits in the executor's queue until one is done. So `to_thread` needs as many rounds as the printed line says, and each round takes 0.3 s. The loop isn't involved in
# that queue, so it stays free and the canaries are on time.
#
# </details>
#
# And aiofiles? It has no pool of its own but uses the default executor. The next cell fills that executor with sleeping threads, which stand for anything that
# other code has given to `to_thread`. Then it reads the small log through aiofiles.

# %%
async def read_small_log():
    began = time.perf_counter()
    async with aiofiles.open(small_log) as file:
        await file.read()
    return time.perf_counter() - began

quiet = await read_small_log()
sleeping = [asyncio.create_task(asyncio.to_thread(time.sleep, 0.5)) for _ in range(threads)]
await asyncio.sleep(0)  # lets these tasks reach their threads
crowded = await read_small_log()
done = await asyncio.gather(*sleeping)
print(f"The same small file: {1000 * quiet:.0f} ms with a free executor, {1000 * crowded:.0f} ms with {threads} threads asleep in it.")

# %% [markdown]
# The file wasn't slow; there was no thread free to read it. If reading files is an important part of your app, give it a pool of its own: create `pool = ThreadPoolExecutor(20)` once for the app, and read files with
# `await loop.run_in_executor(pool, function)`.
#
# Starlette, the framework that FastAPI is built on, runs its own file work in the pool of 40: `FileResponse` reads there, and so does `await upload.read()` of an `UploadFile` once
# the upload is so large that it was moved from memory to disk.
#
# ## Deeper: a large file on a fast disk
#
# The archive's app writes one line into a log for each visitor, and the log has grown to about twenty megabytes. Nothing is slow about this disk: the file was written a moment ago, and the operating
# system still has it in memory.

# %%
log = folder / "visitors.log"
written = log.write_text(line * 1_400_000)
print(f"{written / 1e6:.0f} MB in {written // len(line):,} lines.")

# %%
# %%app visitors.py
import asyncio
import os

from fastapi import FastAPI

LOG = os.environ["ARCHIVE"] + "/visitors.log"
app = FastAPI()


def count():
    visitors = 0
    with open(LOG) as file:
        for line in file:
            visitors += "visitor" in line
    return visitors


@app.get("/here")
async def here():
    return {"visitors": count()}


@app.get("/thread")
async def thread():
    return {"visitors": await asyncio.to_thread(count)}


# %%
here = await lab.race("/here", n=3, show=False)
there = await lab.race("/thread", n=3, show=False)
lab.side_by_side(here, there, titles=("counted on the loop", "counted in a thread"))

# %% [markdown]
# The work is the same both times; what differs are the lanes and the canaries. This is another way to block the loop: no thread was waiting, each was busy with 1,400,000 lines. The work is CPU-bound.
#
# The threads of a Python program don't run Python code in **parallel** (at the same instant, on several cores). A lock, the **GIL**, lets only one thread at a time run Python code, and a thread that computes releases it
# every few milliseconds. The loop's thread is one of those that wait for it. So the canaries on the right are later than they should be, and yet far earlier than on the left. Where the lane on the right
# names a line *in a thread*, that line's thread had the GIL.
#
# A thread fixes a wait completely. With CPU-bound work it depends on how often the GIL is released; lesson 07 measures that.
#
# The last cell removes the archive. Its threads wait for readers that won't come, and end with the notebook.

# %%
import shutil

shutil.rmtree(folder)
print("The folder is gone:", not folder.exists())

# %% [markdown]
# ## What you have seen
#
# - `open` and `read` in an `async def` block the loop for as long as the file makes them wait. On the author's disk that is no time at all.
# - asyncio reads no files. `to_thread`, aiofiles and `def` are three ways to a thread that does. Offload the whole job, opening included.
# - A thread doesn't free the loop if the loop then waits for it: at the end of a pool's `with` block, in `result()` or in `join()`.
# - An upload copied by `copyfileobj` in an `async def` stops every request until it's written.
# - A kilobyte on the machine's own disk is read fastest right where you are. Leave it.
# - *Deeper:* `async for line` through aiofiles is a hop per line, and many times slower than one hop for all of them. `to_thread` and aiofiles share one small pool, so code that fills it delays both.
#   A large file on a fast disk is CPU-bound work.
#
# ## Check yourself
#
# **1.** An endpoint says `with open(path) as file:` and, inside, `text = await asyncio.to_thread(file.read)`. The path leads to a network share. Is the loop free?
#
# <details><summary>Answer</summary>
#
# Not always. `open` still runs on the loop, and on a share it waits for the network too. So does closing, if something was written. Put opening, reading and closing into one function, and
# offload that.
#
# </details>
#
# **2.** Your app reads small files through aiofiles. Since last week these reads take half a second now and then. The disk is fine and the event loop lane is free. What do you check?
#
# <details><summary>Answer</summary>
#
# Everything else that uses `asyncio.to_thread` or `run_in_executor(None, ...)`: it is the same small pool. If as many slow calls run in it as it has threads, each read waits until one of them ends.
#
# </details>
#
# ## Words of this lesson
#
# - **I/O-bound, CPU-bound**: limited by waiting for input and output, or by computing.
#   Waiting can be awaited or moved to a thread; computing needs a CPU wherever it runs.
# - **awaitable**: an object that may stand after `await`, such as a coroutine or a task.
#   While it's pending, the loop runs other requests.
# - **named pipe (FIFO)**: a path whose reader waits until a writer writes, and the other way round.
#   In this course it plays the slow file.
# - **thread hop**: running one call in another thread and coming back.
#   For a small call, the hop costs far more than the call itself.
# - **default executor**: asyncio's own thread pool, used by `to_thread`, aiofiles and name lookups.
#   It is small and shared by the whole app.
# - **concurrent, parallel**: overlapping in time; running at the same instant on several cores.
#   Waits are concurrent on one thread, but parallel Python code needs several processes.
#
# ## Further reading
#
# - Python, *Running in Threads*: https://docs.python.org/3/library/asyncio-task.html#running-in-threads
# - Python, `ThreadPoolExecutor`, and how many threads it has: https://docs.python.org/3/library/concurrent.futures.html
# - aiofiles: https://github.com/Tinche/aiofiles
# - AnyIO, *Asynchronous file I/O support*, the other package of this kind: https://anyio.readthedocs.io/en/latest/fileio.html
# - FastAPI, *UploadFile class*: https://fastapi.tiangolo.com/reference/uploadfile/
# - Linux, *Overview of pipes and FIFOs*: https://man7.org/linux/man-pages/man7/pipe.7.html
#
# Next: the exercise of this lesson, in the notebook `exercise_05_files.ipynb` next to this one. It has two endpoints.
