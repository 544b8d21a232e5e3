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
# # Subprocesses
#
# > **It happened.** A service that generates shell scripts checked each of them with `shellcheck`, started by `subprocess.run(..., timeout=5.0)` in a helper of an `async def` endpoint.
# > While the checker ran, for up to five seconds per script, the server took no other request. A call to `/health` hung until the script was done.
# > ([EnvForage#505](https://github.com/rishabh0510rishabh/EnvForage/issues/505))
#
# **About 25 minutes**, plus 10 for the sections marked "Deeper". You need lesson 01, *Sleeping*, and `gather` and the semaphore from lesson 02, *Calling HTTP*.
#
# You'll see
#
# - how many programs run at the same time if an `async def` endpoint uses `subprocess`;
# - the fix, `asyncio.create_subprocess_exec`, and two fixes that keep `subprocess`;
# - two traps in the fix: a program that never ends because its output isn't read, and a timeout that leaves the program running;
# - when not to bother;
# - *deeper:* programs that start programs, and a burst of requests that starts a burst of programs.
#
# Apps start programs to convert a picture, to make a PDF, to run `git` or `ffmpeg`, or to call the old tool that is too risky to rewrite. The work is done in another process, so it
# can't block our event loop. Or can it?
#
# The next cell loads the tools of the course. If it fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## An old program
#
# A post office has an old program that makes the label for a parcel. It takes its time, and when it's done it prints its process ID, when it began and when it ended. The next cell saves it in a
# folder; the apps find its path in the environment variable `LABELS`.

# %%
import os
import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp(prefix="post-office-"))
program = folder / "labels"
written = program.write_text(f"#!{sys.executable}" + """
import json, os, sys, time

began = time.monotonic()
time.sleep(float(sys.argv[1]))
print(json.dumps({"pid": os.getpid(), "began": began, "ended": time.monotonic()}))
""")
program.chmod(0o755)
os.environ["LABELS"] = str(program)

print("The program printed:", subprocess.check_output([program, "0.3"], text=True).strip())

# %% [markdown]
# The `#!` line says which program interprets the file: this notebook's Python. `chmod` makes the file executable. The program takes the number of seconds as its argument, which is text, as all arguments of programs are.
# `time.monotonic()` reads a clock that all processes of a machine share, so the times that two programs print can be compared: did they run at the same time?
#
# ## One program at a time
#
# The post office's app runs the program for each parcel, waits until it ends, and responds with what it printed. `wait` is a
# query parameter, as in `/labels?wait=0.3`.

# %%
# %%app post.py
import json
import os
import subprocess

from fastapi import FastAPI

LABELS = os.environ["LABELS"]
app = FastAPI()


@app.get("/labels")
async def label(wait: str):
    output = subprocess.check_output([LABELS, wait])
    return json.loads(output)


# %% [markdown]
# Six requests arrive together. Each label takes 0.3 seconds, plus the start of the program.

# %%
bad = await lab.race("/labels?wait=0.3", n=6, title="six labels")

# %% [markdown]
# There is the staircase, although the work was done in other processes and the machine can run several of them in **parallel** (at the same instant).
#
# ## A prediction
#
# That race started six programs. How many of them ran at the same moment, at most? Replace `None` with your number, or leave it.

# %%
guess = lab.predict("programs at the same moment, at most", None)

# %% [markdown]
# Each response says when its program began and ended. The next cell lists the programs in the order in which they ran, and counts at each beginning how many had begun and not yet ended.

# %%
import json

def runs(race):
    return sorted((json.loads(request.body) for request in race.requests), key=lambda run: run["began"])

def at_once(race):
    return max(sum(r["began"] <= run["began"] < r["ended"] for r in runs(race)) for run in runs(race))

first = runs(bad)[0]["began"]
for place, run in enumerate(runs(bad), 1):
    print(f"{place}. began at {run['began'] - first:.2f} s, ended at {run['ended'] - first:.2f} s")
guess.compare(at_once(bad))

# %% [markdown]
# ## Which request waits for which
#
# 1. The app's only thread started the first request. `check_output` started the program.
# 2. `check_output` returns only when the program has ended. So the thread waited for it, in the middle of the endpoint, and did nothing else.
# 3. The other requests arrived. The event loop couldn't start them, so their programs weren't started either.
# 4. The first program ended. The thread finished the response, took the next request, and started the next program.
#
# A second process doesn't help if the first one does nothing but wait for it. `subprocess.run`, `call`, `check_call`, `os.system`, `os.popen(...).read()` and `Popen.wait` all wait in this way. A **blocking** call
# isn't one that computes; it's one that doesn't return until something has happened.
#
# ## The fix: a program that you can await
#
# asyncio can start programs too, and gives you two things to await: the start and the end.
#
# - `await asyncio.create_subprocess_exec(...)` starts the program and returns a `process`. It takes the program and its arguments one by one, not as a list.
# - `await process.communicate()` reads everything that the program prints, and waits until it has ended.

# %%
# %%app post_fixed.py
import asyncio
import json
import os

from fastapi import FastAPI

LABELS = os.environ["LABELS"]
app = FastAPI()


def start(wait):
    return asyncio.create_subprocess_exec(LABELS, wait, stdout=asyncio.subprocess.PIPE)


@app.get("/labels")
async def label(wait: str):
    process = await start(wait)
    output, _ = await process.communicate()
    return json.loads(output)


# %% [markdown]
# `start` only creates the coroutine, and the endpoint awaits it. `PIPE` says that the app wants to read the program's output.

# %%
good = await lab.race("/labels?wait=0.3", n=6, title="six labels", show=False)
lab.side_by_side(bad, good, titles=("check_output", "awaited"))
lab.diagrams.loop("", [], 6 * ["a program's output"], note="awaited: the loop waits for six pipes at once.").show()
print(f"Programs at the same moment: {at_once(bad)} before, {at_once(good)} now.")

# %% [markdown]
# At `await process.communicate()` the loop registers what it waits for (this program's output and its end) and takes the next request. A single label may take longer than before, since six programs that start
# together share the machine's cores.
#
# A little stays on the loop: starting a process is a call to the operating system that can't be awaited. It's short, and doesn't depend on what the program does afterwards.
#
# ## Keeping `subprocess`
#
# Perhaps the program is started by a package that you can't change. Then it's a blocking call like any other, and a thread fixes it: your own with `to_thread`, or FastAPI's with `def`.

# %%
# %%app post_threads.py
import asyncio
import json
import os
import subprocess

from fastapi import FastAPI

LABELS = os.environ["LABELS"]
app = FastAPI()


def make(wait):
    return json.loads(subprocess.check_output([LABELS, wait]))


@app.get("/plain")
def plain(wait: str):
    return make(wait)


@app.get("/thread")
async def thread(wait: str):
    return await asyncio.to_thread(make, wait)


# %% [markdown]
# ### Your turn
#
# Both are correct as long as a thread is free. Choose the number of requests, and predict how many programs run at the same moment in each of the two ways.

# %%
from concurrent.futures import ThreadPoolExecutor

n = 5  # try 10, 20, 45
plain = await lab.race("/plain?wait=0.3", n=n, show=False)
thread = await lab.race("/thread?wait=0.3", n=n, show=False)
threads = ThreadPoolExecutor()._max_workers
print(f"Programs at the same moment, of {n}: {at_once(plain)} with def, {at_once(thread)} with to_thread (whose pool has {threads} threads).")

# %% [markdown]
# <details><summary>What limits them</summary>
#
# `def` endpoints share 40 threads, and `to_thread` has the pool whose size the cell prints. A program needs one thread for as long as it runs. So with `to_thread` you never see more programs at the same moment than that number, however
# many requests you send. On a slow machine you may see fewer: the first programs may end before the last ones start.
#
# </details>
#
# ## Several programs for one request
#
# A tour of the delivery van needs three labels. Both endpoints of the next app release the loop while they wait.

# %%
# %%app van.py
import asyncio
import os

from fastapi import FastAPI

app = FastAPI()


def start(wait):
    return asyncio.create_subprocess_exec(os.environ["LABELS"], wait, stdout=asyncio.subprocess.PIPE)


async def label(wait):
    process = await start(wait)
    return (await process.communicate())[0]


@app.get("/one_by_one")
async def one_by_one(wait: str):
    return len([await label(wait) for _ in range(3)])


@app.get("/together")
async def together(wait: str):
    return len(await asyncio.gather(*(label(wait) for _ in range(3))))


# %%
one_by_one = await lab.race("/one_by_one?wait=0.3", n=2, show=False)
together = await lab.race("/together?wait=0.3", n=2, show=False)
lab.side_by_side(one_by_one, together, titles=("await in a loop", "gather"))

# %% [markdown]
# On the left, the second program starts only when the first has ended, although it needs nothing from it. It's the same mistake as awaiting in a loop in lesson 02: no other request is blocked, but each request takes three times as long as it
# has to.
#
# ## The first trap: a full pipe
#
# A process also has a method `wait`. It sounds right: wait for the end, then read the output. The next program prints a number of letters and ends; nothing in it waits. `letters_read` gives it some seconds to end, and then reads.

# %%
import asyncio

async def letters_read(letters, patience=2):
    talker = [sys.executable, "-c", f"print('x' * {letters})"]
    process = await asyncio.create_subprocess_exec(*talker, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(patience):
            await process.wait()
    except TimeoutError:
        pass
    stuck = process.returncode is None
    output, _ = await process.communicate()
    print(f"{letters:9,} letters: {f'stuck after {patience} s' if stuck else 'done by itself'}, then {len(output):,} bytes read.")
    return stuck, len(output)

stuck, read = await letters_read(1_000_000)

# %% [markdown]
# All that time, the program was suspended inside `print`. What a program prints goes through a **pipe**, a buffer in the operating system that holds only a small part of a million letters. When the pipe is full and no process reads it, writing blocks. So
# the program waited for us to read, and we waited for it to end. When two parties wait for each other, so that neither can go on, that's a **deadlock**. As soon as we read, the program went on.
#
# `communicate` reads *and* waits, so use it unless you have a reason not to. The same is true of `stderr=PIPE`, and of `Popen.wait` in `subprocess`.
#
# ### Your turn
#
# With little output, `wait` works, which is why the mistake survives its tests. Where is the limit on your machine? Try other numbers until you know it to within a factor of two.

# %%
letters = 10_000  # change me
short_stuck, short_read = await letters_read(letters, patience=10)

# %% [markdown]
# <details><summary>What to expect</summary>
#
# On Linux, a pipe holds 65,536 bytes, and asyncio reads ahead until it has about twice as much. So the limit lies somewhere between one and two hundred thousand letters, depending on the version of Python. With a blocking
# `Popen.wait` only the pipe counts.
#
# </details>
#
# ## The second trap: a timeout doesn't stop a program
#
# A program can hang, and then its request hangs with it. So you set a limit: `asyncio.timeout` cancels the wait after a given number of seconds. What happens to the program?

# %%
process = await asyncio.create_subprocess_exec(program, "30", stdout=asyncio.subprocess.PIPE)
try:
    async with asyncio.timeout(0.5):
        await process.communicate()
except TimeoutError:
    print("The wait was cancelled.")
await asyncio.sleep(0.5)
survivor = process.returncode is None
print("Half a second later the program is", "still running." if survivor else "gone.")

process.kill()
await process.communicate()
code = process.returncode
print(f"After kill() it is gone, with return code {code}: ended by signal {-code}.")

# %% [markdown]
# The timeout cancelled *our wait* and nothing else. The program keeps running for a client that received its error long ago, and still occupies memory and a core.
#
# To stop it you have to send it a **signal**, a message of the operating system to a process. `kill` sends the one that can't be ignored. Then wait once more until the program is really gone, with `communicate` rather than `wait`: in most versions of Python, asyncio's
# `wait` returns only when the pipe has been read to its end, so it can hang although the program is dead.
#
# One bug report has both traps: a chat bot awaited `ffmpeg` with `wait_for(process.wait(), timeout=30)` and `stderr=PIPE`. A file that made `ffmpeg` print many warnings filled the pipe, so the conversion always ran into its timeout, and each
# time left a process behind. *([hermes-agent#63004](https://github.com/NousResearch/hermes-agent/pull/63004))*
#
# In an app, put all of this in one place. The next app has both versions, one that only gives up and one that also stops the program. Both respond with status 504, *gateway timeout*, and the program's process ID.

# %%
# %%app post_in_time.py
import asyncio
import os

from fastapi import FastAPI, HTTPException

app = FastAPI()


def start(wait):
    return asyncio.create_subprocess_exec(os.environ["LABELS"], wait, stdout=asyncio.subprocess.PIPE)


@app.get("/{way}")
async def label(way: str, wait: str):
    process = await start(wait)
    try:
        async with asyncio.timeout(0.5):
            output, _ = await process.communicate()
            return output
    except TimeoutError:
        raise HTTPException(504, process.pid) from None
    finally:
        if way == "stop" and process.returncode is None:
            process.kill()
            await process.communicate()


# %% [markdown]
# Why `finally`, and not only `except TimeoutError`? A wait can also end with another error, or because the request itself is cancelled. The `finally` block runs in every case.
#
# The next cell sends four requests to each, for labels that would take a minute, and counts the processes that are left. Then it ends them.

# %%
import signal

def running(pid):
    try:
        os.kill(pid, 0)  # signal 0 does nothing; it only checks that the process exists
    except ProcessLookupError:
        return False
    return True

left = {}
for way in ("give_up", "stop"):
    race = await lab.race(f"/{way}?wait=60", n=4, show=False)
    pids = [json.loads(request.body)["detail"] for request in race.requests]
    left[way] = [pid for pid in pids if running(pid)]
    print(f"{way:7}: status {race.requests[0].status} four times, {len(left[way])} programs still running.")
for pid in filter(running, left["give_up"]):
    os.kill(pid, signal.SIGKILL)


# %% [markdown]
# The clients can't tell the two versions apart, but the machine can: the first leaves a process behind for every request that takes too long. And requests take too long precisely when the machine already has too much to do.
#
# (`subprocess.run(..., timeout=0.5)` does kill the program that it started. Until then it blocks.)
#
# ## When not to bother
#
# - **Scripts, jobs, and the start of an app** have no other requests to serve: `subprocess.run` is fine.
# - **A request that comes once a day,** for a program that ends quickly.
#
# And sometimes no program is needed at all. Many commands that apps start have a function in Python's library: `shutil.disk_usage` for `df`, `pathlib` for `ls`, `shutil.copy` for `cp`. The next cell gets the name of this machine's system in both ways.

# %%
import time

began = time.perf_counter()
for _ in range(20):
    by_program = subprocess.check_output(["uname", "-s"], text=True).strip()
with_program = (time.perf_counter() - began) / 20

began = time.perf_counter()
for _ in range(20):
    by_function = os.uname().sysname
with_function = (time.perf_counter() - began) / 20
print(f"uname says {by_program}, os.uname() says {by_function}.")
print(f"The program took {1000 * with_program:.1f} ms, the function {1e6 * with_function:.1f} µs.")

# %% [markdown]
# The fastest process is the one that you don't start. The core of the lesson ends here; the sections marked *Deeper* are optional. (The third endpoint of the exercise needs the first of them.)
#
# ## Deeper: programs that start programs
#
# `kill` ends the process that you started, but not the processes that *it* started. Here we start a shell, and the shell starts two programs with a pipe between them.

# %%
command = f"(echo ready; '{program}' 30) | cat"
shell = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE, start_new_session=True)
ready = await shell.stdout.readline()  # now both programs are there
shell.kill()
try:
    async with asyncio.timeout(1):
        await shell.communicate()
    orphans = False
except TimeoutError:
    orphans = True
print(f"The shell ended with {shell.returncode}. Do its programs still hold the pipe? {orphans}.")

os.killpg(shell.pid, signal.SIGKILL)
await shell.communicate()
print("The whole group is gone.")

# %% [markdown]
# The two programs lived on, and `communicate` waited for them because they held the other end of the pipe. In a `finally` it would hang there. `start_new_session=True` puts the program and all its descendants into a process group of their own, and
# `os.killpg` kills the group.
#
# Better still, use `create_subprocess_exec`, which starts the program without a shell. A shell is also dangerous: it interprets whatever a client has sent as commands.
#
# ## Deeper: a burst of programs
#
# The loop is free now, so it takes every request right away, and nothing limits how many programs a burst of requests starts. The old program mostly sleeps, which costs nothing. So here is one that computes: it works out the pattern of black and white squares on a
# parcel. The app starts it in two ways; the second has a semaphore. A request that finds no free place awaits one, which blocks nothing.

# %%
squares = folder / "squares"
written = squares.write_text(f"#!{sys.executable}" + """
import hashlib, json, time

began, pattern = time.monotonic(), b""
for _ in range(150_000):
    pattern = hashlib.sha256(pattern).digest()
print(json.dumps({"began": began, "ended": time.monotonic()}))
""")
squares.chmod(0o755)
os.environ["SQUARES"] = str(squares)

# %%
# %%app post_limited.py
import asyncio
import json
import os

from fastapi import FastAPI

app = FastAPI()
places = asyncio.Semaphore(int(os.environ.get("PLACES", os.cpu_count())))


@app.get("/all_at_once")
async def pattern():
    process = await asyncio.create_subprocess_exec(os.environ["SQUARES"], stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return json.loads(output)


@app.get("/limited")
async def limited():
    async with places:
        return await pattern()


# %% [markdown]
# ### Your turn
#
# The limit is one program per core. Predict first: which of the two is faster for *half* of the requests, and which for the last one? Then try 1 place, and 50.

# %%
import statistics

cores = os.cpu_count()
at_most = cores  # try 1, 50
os.environ["PLACES"] = str(at_most)
server = lab.serve("post_limited.py")
crowd = min(6 * cores, 60)
burst = await lab.race("/all_at_once", n=crowd, show=False)
limited = await lab.race("/limited", n=crowd, show=False)
lab.side_by_side(burst, limited, titles=("all at once", f"{at_most} places"))
for way, race in (("all at once", burst), ("limited", limited)):
    half = statistics.median(request.end for request in race.requests)
    print(f"{way:11}: {at_once(race):2} programs at the same moment on {cores} cores, half of {crowd} requests done after {half:.2f} s.")

# %% [markdown]
# <details><summary>Why the limit helps</summary>
#
# The cores have the same work to do both times, so the last response comes at about the same time. But all at once, each program gets a small share of a core, and nearly all of them end late, together. With the semaphore the first ones are soon done
# and out of the way.
#
# </details>
#
# There is also memory: if each program takes 500 MB, a burst of them brings down the machine and everything on it. How many places are right? If the program computes, about as many as there are cores. If it mostly waits, as many as memory allows.
#
# The last cell removes the two programs.

# %%
import shutil

shutil.rmtree(folder)
print("The folder is gone:", not folder.exists())

# %% [markdown]
# ## What you have seen
#
# - `subprocess.run`, `check_output`, `os.system` and `Popen.wait` in an `async def` block the loop until the program has ended. However many requests come, one program runs at a time.
# - `create_subprocess_exec` and `communicate` are non-blocking. A `def` endpoint and `to_thread` work too, as long as there are threads.
# - Programs that don't need each other's output are started together, with `gather`.
# - `wait` without reading is a deadlock as soon as the program prints more than fits. `communicate` reads and waits.
# - A timeout ends the wait, not the program. `kill` it in `finally`, and `communicate` until it's gone.
# - In a script or at the start of an app, `subprocess.run` is fine. And perhaps a Python function does what the program did.
# - *Deeper:* to stop what a program has started in turn, use `killpg`. A free loop starts as many programs as there are requests; with a semaphore there are fewer, and most requests are done earlier.
#
# ## Check yourself
#
# **1.** A colleague writes `process = subprocess.Popen(command, stdout=PIPE)`, then `await asyncio.to_thread(process.wait)`, and reads `process.stdout` after that. Is the loop free? What can go wrong?
#
# <details><summary>Answer</summary>
#
# The loop is free, except for the moment of the start. But the output isn't read during `wait`. If the program prints more than the pipe holds, both wait forever, and each such request costs a thread of the pool for good. `process.communicate` in the
# thread is right.
#
# </details>
#
# **2.** Your app responds with 504 after five seconds, as it should. But the machine becomes slower from hour to hour, until you restart the app. What do you check?
#
# <details><summary>Answer</summary>
#
# Whether programs run on after their request has given up. List the app's child processes, and search the code for a timeout around `communicate` without a `kill`.
#
# </details>
#
# ## Words of this lesson
#
# - **subprocess, child process**: a program that another program has started.
#   It has its own memory and its own place on the CPUs; its parent decides whether to wait for it.
# - **blocking, non-blocking**: a blocking call returns when its work is done; a non-blocking one returns at once, and you await the result.
#   Only the second kind leaves the event loop free.
# - **pipe**: a buffer of the operating system between two processes; what one writes, the other reads.
#   When it's full, the writer waits.
# - **deadlock**: two parties that each wait for the other.
#   It never resolves by itself.
# - **signal**: a message of the operating system to a process, such as *end now* (`SIGKILL`).
#   A timeout sends none; you have to.
# - **semaphore**: a counter of free places; a task that finds none waits.
#   It limits how many run at the same time.
#
# ## Further reading
#
# - Python, *Subprocesses* in asyncio: https://docs.python.org/3/library/asyncio-subprocess.html
# - Python, *subprocess*: https://docs.python.org/3/library/subprocess.html
# - Python, *Timeouts*: https://docs.python.org/3/library/asyncio-task.html#timeouts
# - Python, the `wait` that hangs after `kill`: https://github.com/python/cpython/issues/119710
# - Linux, how much a pipe holds: https://man7.org/linux/man-pages/man7/pipe.7.html
#
# Next: the exercise of this lesson, in the notebook `exercise_06_subprocesses.ipynb` next to this one. It has three endpoints.
