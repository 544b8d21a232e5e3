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
# This lesson takes about 20 minutes. You need lesson 01, *Sleeping*: you know why a wait on the event loop
# makes everybody wait, and what `def` endpoints, threads and `await` do about it.
#
# You will see
#
# - what `open` and `read` in an `async def` endpoint do when the file is somewhere slow;
# - three repairs, and why each of them is a thread: `asyncio.to_thread`, aiofiles, a `def` endpoint;
# - a large file on a fast disk: there it is the counting that holds the loop, not the disk;
# - a trap in the repair: a trip to a thread for every line;
# - a second trap: the pool of threads is small, and everything that uses it shares it;
# - an upload that is copied on the loop;
# - how little a small file costs, and when not to bother.
#
# Most files are read faster than you would notice. That is why this mistake lives long: it does not show on the author's machine.
# It shows on a network share, on a disk that has to spin up first, with a file that has grown.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## A file that takes its time
#
# We need a file that is slow every time. Linux and macOS have one, Windows does not: the **named pipe**.
# It sits in a folder and has a name.
# You open it and read it like any file. But there is nothing in it until somebody writes into the other end.
#
# The next cell provides that somebody. `archive` makes a pipe, and starts a thread that looks after it.
# `keep` waits until a reader opens the pipe, lets the reader wait for the given number of seconds, and writes.
# Before it does, it puts a fresh pipe in place of the old one, for the next reader.

# %%
import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path

folder = Path(tempfile.mkdtemp(prefix="archive-"))
os.environ["ARCHIVE"] = str(folder)

def keep(name, seconds):
    path, fresh = folder / name, folder / f"{name}.fresh"
    while path.exists():
        with contextlib.suppress(OSError), open(path, "w") as pipe:  # waits until somebody reads
            os.mkfifo(fresh)
            os.replace(fresh, path)
            time.sleep(seconds)
            pipe.write(f"the text of {name}")

def archive(name, seconds):
    if not (folder / name).exists():
        os.mkfifo(folder / name)
        threading.Thread(target=keep, args=(name, seconds), daemon=True).start()

# %% [markdown]
# The threads run here in the notebook. The apps know nothing of them. They find the folder in the environment variable `ARCHIVE`, and see files.

# %%
for number in range(1, 6):
    archive(f"paper-{number}", seconds=0.3)

began = time.perf_counter()
text = (folder / "paper-1").read_text()
alone = time.perf_counter() - began
print(f"Read {text!r} in {alone:.2f} s.")

# %% [markdown]
# So it behaves like a file on a network share: reading it takes a fraction of a second, with nothing to do meanwhile.
#
# ## What goes wrong
#
# The archive's app, written without a second thought.

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
# Five readers come at once. Each wants a different paper: `{i}` stands for the number of the request.

# %%
bad = await lab.race("/papers/paper-{i}", n=5, title="five papers")
print(f"The quickest paper took {bad.quickest:.2f} s, all five took {bad.seconds:.2f} s: {bad.ratio:.1f} times as long.")

# %% [markdown]
# This is the staircase of lesson 01. The files are different, and all of them could be read at the same time.
# The lane of the loop names the line that held it.
#
# ## A prediction
#
# Now we ask for four papers that are not equally slow: an atlas takes 0.6 seconds, a deed 0.3, a diary 0.2, a letter 0.1.
# All four are asked for together, in this order.
#
# After how many seconds has everybody got an answer? And how long does the letter take, at least and at most?
# Write your numbers in the places of `None`, or leave them.

# %%
all_four = lab.predict("all four papers", None, "s")
letter_at_least = lab.predict("the letter, at least", None, "s")
letter_at_most = lab.predict("the letter, at most", None, "s")

# %%
slow = {"atlas": 0.6, "deed": 0.3, "diary": 0.2, "letter": 0.1}
for name, seconds in slow.items():
    archive(name, seconds)

mixed = await lab.race([f"/papers/{name}" for name in slow], title="four papers", prediction=all_four)
letter = mixed.requests[3]
all_four.beside(mixed.seconds)
letter_at_least.beside(letter.seconds, letter_at_most)

# %% [markdown]
# ## Who waited for whom
#
# The requests in the order in which they were answered:

# %%
before = 0.0
for place, request in enumerate(sorted(mixed.requests, key=lambda r: r.end), 1):
    print(f"{place}. {request.path:15} answered at {request.end:.2f} s, {request.end - before:.2f} s after the one before")
    before = request.end
print(f"The four files need {sum(slow.values()):.1f} s one after the other, and {max(slow.values()):.1f} s side by side.")

# %% [markdown]
# Read it from the top. This is what the app's only thread did:
#
# 1. It took a first request and called `open`. The file was there, so `open` came back at once.
# 2. It called `file.read()`. There was nothing to read yet. The operating system put the thread to sleep, in the middle of the endpoint.
# 3. The other requests arrived. The thread that should have looked at them was asleep.
# 4. The text came. The thread woke up, finished the answer, took the next request, and slept again.
# 5. The letter waited for every paper that was taken before it. With luck that is none. Without luck it is all three.
#
# So all four together take at least the sum of their times, and the letter takes anything between 0.1 seconds and that sum.
#
# No line here says *wait*. `read` waits if it must. Most days it need not. The code does not show which it will be.
#
# ## The repair: three roads to a thread
#
# Python's own asyncio has no `await` that reads a file. An operating system can tell the event loop that a *connection*
# has something to read. For files on a disk it does not. So the usual packages use threads, too: somebody has to call `read` and stand still.
# The repair is to let another thread do the standing. There are three ways to write it.

# %%
# %%app archive_repaired.py
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
# - `asyncio.to_thread` hands a function to another thread and can be awaited. `read_text` is the *whole job*: open, read, close.
# - **aiofiles** is a package whose files have the same methods as Python's, to be called with `await`.
#   Behind each `await` it hands that one call to a thread.
# - FastAPI runs the plain `def` endpoint in a thread, as you know.
#
# Here are the same five readers, at the first of the three beside the bad one:

# %%
good = await lab.race("/thread/paper-{i}", n=5, title="five papers", show=False)
lab.side_by_side(bad, good, titles=("read on the loop", "to_thread"))
print(f"All five took {bad.ratio:.1f} times as long as the quickest before, and {good.ratio:.1f} times now.")

# %% [markdown]
# And here are the other two:

# %%
with_aiofiles = await lab.race("/aiofiles/paper-{i}", n=5, title="five papers", show=False)
plain = await lab.race("/plain/paper-{i}", n=5, title="five papers", show=False)
lab.side_by_side(with_aiofiles, plain, titles=("aiofiles", "def"))
print(f"Five readers took {with_aiofiles.ratio:.1f} times the quickest with aiofiles, {plain.ratio:.1f} times with def.")

# %% [markdown]
# All three are honest. No paper was read faster. Nobody waited for somebody else's paper.
#
# And the four papers, after the repair?

# %%
mixed_again = await lab.race([f"/thread/{name}" for name in slow], title="four papers")
print(f"The letter took {letter.seconds:.2f} s before and {mixed_again.requests[3].seconds:.2f} s now.")

# %% [markdown]
# Now the answers come in the order of the waits: whoever has a short wait is answered early.
#
# A word about the *whole job*. It is tempting to hand over only `read`, and to leave `open` where it was.
# But on a distant share `open` is the slow part: the name must be looked up there. `exists`, `stat` and `listdir` are just as slow.
# Put everything that touches the disk into one function, and hand over the function.
#
# ## A large file on a fast disk
#
# The archive writes a line into a log for each visitor. By now the log has grown to about twenty megabytes.
# Nothing about this disk is slow. The file was written a moment ago, and the operating system still has it in memory.

# %%
line = "a visitor came\n"
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
print(f"The longest hatched stretch: {here.loop_lag:.0f} ms before, {there.loop_lag:.0f} ms with the counting in threads.")

# %% [markdown]
# Nobody counted faster on the right. All three together took about as long as before, or longer. But look at the canary and at the
# lane of the loop.
#
# This is another way to hold the loop. Nobody slept here: the threads were busy, with 1,400,000 lines each.
#
# The threads of a Python program do not work truly side by side. There is a lock, the **GIL**: only the thread that has it
# may run Python code, and they take turns every few milliseconds. The loop's thread is one of them: it gets its turn again and again,
# but each time it must wait for it. So the canary on the right is answered late, and yet far sooner than on the left.
# If the lane on the right has a hatched stretch, it says *in a thread* and names the line that kept the loop waiting.
# (0 ms would mean: no stretch reached the 20 milliseconds from which the timeline counts.)
#
# A thread repairs a wait completely. It repairs work only as far as the others get their turn. Lesson 07 measures how far that is.
#
# ## The trap that the repair hides
#
# With aiofiles you can also write `async for line in file`. It looks like the right way to count lines, doesn't it?
# Here is a smaller log, of 5,000 lines. We count it in the notebook, where there is an event loop, too:
# once line by line with aiofiles, and once as a whole job in a single `to_thread`.
# One trip to a thread and back is called a *hop*.

# %%
import asyncio

import aiofiles

small_log = folder / "small.log"
small_log.write_text(line * 5_000)

def count(path):
    with open(path) as file:
        return sum("visitor" in line for line in file)

began = time.perf_counter()
async with aiofiles.open(small_log) as file:
    counted = sum(["visitor" in line async for line in file])
a_hop_a_line = time.perf_counter() - began

began = time.perf_counter()
whole = await asyncio.to_thread(count, small_log)
one_hop = time.perf_counter() - began
print(f"The same count, {counted:,} lines: {counted == whole}.")
print(f"A hop a line: {1000 * a_hop_a_line:.0f} ms. One hop: {1000 * one_hop:.1f} ms.")
print(f"The first took {a_hop_a_line / one_hop:.0f} times as long.")

# %% [markdown]
# The loop was free all that time, and no canary would complain. The time went into travelling:
# for each line the loop asks a thread, the thread fetches one line out of a buffer in memory, wakes the loop and hands it over.
# The hop costs more than the line.
#
# So hop once for the whole job. If the file is too large for that, hop once for each large piece: `await file.read(1_000_000)`.
#
# ## The second trap: a small pool, shared
#
# Where do the threads come from? `to_thread` takes them from a pool that belongs to the event loop. It is a `ThreadPoolExecutor` of the
# default size: one thread for each core that Python counts and four more, but at most 32. How many is that here?

# %%
from concurrent.futures import ThreadPoolExecutor

threads = ThreadPoolExecutor()._max_workers  # nothing public tells it
print(f"This machine has {os.cpu_count()} cores, and the pool {threads} threads.")

# %% [markdown]
# (From Python 3.13 on, only the cores count that this process may use.)
#
# Let us send two readers more than there are threads: first to the endpoint with `to_thread`, then to the plain `def`,
# which takes its threads from the pool of 40 that you know from lesson 01.

# %%
readers = threads + 2
for number in range(6, readers + 1):
    archive(f"paper-{number}", seconds=0.3)

server = lab.serve("archive_repaired.py")
small_pool = await lab.race("/thread/paper-{i}", n=readers, title=f"{readers} papers", show=False)
large_pool = await lab.race("/plain/paper-{i}", n=readers, title=f"{readers} papers", show=False)
lab.side_by_side(small_pool, large_pool, titles=("to_thread", "def"))
print(f"{readers} readers took {small_pool.ratio:.1f} times the quickest with {threads} threads,")
print(f"and {large_pool.ratio:.1f} times with 40 threads.")

# %% [markdown]
# On the left, two had to wait until a thread was free. The loop does not know of that queue: it serves the canary meanwhile.
#
# And aiofiles? It has no pool of its own. It uses the same one. The next cell fills that pool with sleepers. They stand for
# anything that somebody else on your team has put into `to_thread`. Then it reads the small log through aiofiles.

# %%
async def read_small_log():
    began = time.perf_counter()
    async with aiofiles.open(small_log) as file:
        await file.read()
    return time.perf_counter() - began

quiet = await read_small_log()
sleepers = [asyncio.create_task(asyncio.to_thread(time.sleep, 0.5)) for _ in range(threads)]
await asyncio.sleep(0)  # lets the tasks above go to their threads
crowded = await read_small_log()
done = await asyncio.gather(*sleepers)
print(f"The same small file: {1000 * quiet:.0f} ms in a quiet app, {1000 * crowded:.0f} ms behind {threads} sleepers.")

# %% [markdown]
# The file was not slow. There was nobody to read it.
#
# If reading files is an important part of your app, give it a pool of its own:
# `pool = ThreadPoolExecutor(20)`, once for the app, and `await loop.run_in_executor(pool, function)` where the reading is done.
#
# FastAPI has its own roads to threads, from the pool of 40. `FileResponse` reads the file that it sends there.
# `await upload.read()` of an `UploadFile` goes there, too, once the upload is so large that it was moved from memory to the disk.
#
# ## An upload
#
# But an upload often goes on to a file, and that can be slow in its turn. Here `box` is a slow place to write to, and `upload.file` is
# a plain file. The first endpoint copies one to the other with `shutil.copyfileobj`, as many examples do.

# %%
# %%app intake.py
import asyncio
import os
import shutil
from pathlib import Path

from fastapi import FastAPI, UploadFile

BOX = Path(os.environ["ARCHIVE"]) / "box"
app = FastAPI()
app.get("/hours")(lambda: "9 to 5")

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
# `box` is a named pipe again, and this time we hold the reader's end. For a second we do not read, so whoever writes must wait.
# Meanwhile a guest asks for the opening hours. We send both with httpx, as in lesson 02, since a race sends no files.

# %%
import httpx

os.mkfifo(folder / "box")
server = lab.serve("intake.py")

async def beside_an_upload(way):
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        upload = asyncio.create_task(client.post(f"/{way}", files={"upload": b"x" * 500_000}))
        box = await asyncio.to_thread(open, folder / "box", "rb")  # waits until the app begins to write
        threading.Timer(1, box.read).start()
        began = time.perf_counter()
        await client.get("/hours")
        return time.perf_counter() - began, (await upload).status_code

uploads = {way: await beside_an_upload(way) for way in ("copy", "plain", "await_read")}
for way, (waited, status) in uploads.items():
    print(f"{way:10} ended with {status}; the opening hours took {waited:.2f} s")

# %% [markdown]
# `copyfileobj` on the loop kept the guest waiting until the box was read. In a `def` endpoint it kept nobody waiting. If the endpoint must be
# `async def`, await the reading, and hand the writing to a thread.
#
# ## When not to bother
#
# A file of one kilobyte on the machine's own disk. How long does it take directly, through a thread, through aiofiles?
# Each is done 300 times. The median is the time that half of them stay below: a few that had to wait for a CPU do not change it.

# %%
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
print(f"Directly:         {direct * 1e6:.0f} µs.")
print(f"Through a thread: {hop * 1e6:.0f} µs, {hop / direct:.1f} times as long.")
print(f"Through aiofiles: {hops * 1e6:.0f} µs, {hops / direct:.1f} times as long.")

# %% [markdown]
# aiofiles needs three hops for it: `open`, `read`, `close`. The direct read does hold the loop, but for less time
# than any of the repairs takes.
#
# So leave these as they are:
#
# - **Small files on the machine's own disk:** a template, a settings file, a picture of a few kilobytes.
# - **Files that are read at the start,** before the first guest. A small file that never changes belongs here: read it once, and keep the text.
# - **Scripts and jobs.** Nobody else is waiting there.
#
# And do not leave these: a path that may lead to a network share, a file that grows, a file whose size a guest decides.
#
# The last cell removes the archive. Its threads wait for readers who will not come, and end with the notebook.

# %%
import shutil

shutil.rmtree(folder)
print("The folder is gone:", not folder.exists())

# %% [markdown]
# ## What you have seen
#
# - `open` and `read` in an `async def` wait on the loop for as long as the file makes them wait. On the author's disk that is no time at all.
# - asyncio reads no files. `to_thread`, aiofiles and `def` are three ways to a thread that does. Hand over the whole job.
# - A large file on a fast disk holds the loop with work. A thread lets the others have their turn; it makes nothing faster.
# - `async for line` through aiofiles is a hop for each line, and takes many times as long as one hop for all of them.
# - `to_thread` and aiofiles share one pool, a few threads more than the machine has cores. Whoever fills it holds up all its users.
# - An upload that is copied by `copyfileobj` in an `async def` stops everybody until it is written.
# - A kilobyte from the machine's own disk is read fastest where you are. Leave it.
#
# ## Check yourself
#
# **1.** An endpoint says `with open(path) as file:` and, inside, `text = await asyncio.to_thread(file.read)`.
# The path leads to a network share. Is the loop free?
#
# <details><summary>Answer</summary>
#
# Not always. `open` still runs on the loop, and on a share it waits for the network, too. So does closing, if something was written.
# Put opening, reading and closing into one function, and hand that to the thread.
#
# </details>
#
# **2.** Your app reads small files through aiofiles. Since last week these reads take half a second now and then. The disk is fine,
# and the loop's lane is free. Where do you look?
#
# <details><summary>Answer</summary>
#
# At everything else that uses `asyncio.to_thread` or `run_in_executor(None, ...)`. It is the same small pool. If as many slow calls
# are under way in it as it has threads, each read waits until one of them is done.
#
# </details>
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
# Next: the exercise of this lesson, in the notebook `exercise_05_files.ipynb` beside this one. It has one endpoint,
# and you know its mistake.
