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
# This lesson takes about 20 minutes. You need lesson 01, *Sleeping*: you know why a wait on the event loop
# makes everybody wait. From lesson 02 you should know `gather` and the semaphore.
#
# You will see
#
# - what `subprocess` in an `async def` endpoint does, counted in programs that run at the same time;
# - the repair, `asyncio.create_subprocess_exec`, and two honest repairs that keep `subprocess`;
# - several programs for one request, one after the other and together;
# - a first trap: a program that never ends, because nobody reads what it prints;
# - a second trap: a timeout that leaves the program running;
# - a third trap: a burst of requests that starts a burst of programs;
# - when not to bother.
#
# Apps start programs: to convert a picture, to make a PDF, to run `git` or `ffmpeg`, to call the old thing that nobody dares to rewrite.
# The work is done in another process. So it cannot get in our way. Or can it?
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## An old program
#
# A post office has an old program that makes the label for a parcel. It takes its time, and says so itself:
# it prints the number of its process, when it began, and when it ended.
# We save it in a folder for this lesson. The apps find its path in the environment variable `LABELS`.

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
# The line with `#!` says what runs the file: the Python of this notebook. `chmod` makes it a program that can be started.
# It gets the number of seconds as an argument, as text: that is how every program gets its arguments.
#
# `time.monotonic()` reads a clock that all processes of a machine share. It counts the seconds since some moment in the past.
# So we can compare two programs that know nothing of each other: did they run at the same time?
#
# ## What goes wrong
#
# The post office's app runs the program for each parcel, waits for its end, and answers with what was printed.

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
# Six parcels come at once. The label of each takes 0.3 seconds, and a little more for the start of the program.

# %%
bad = await lab.race("/labels?wait=0.3", n=6, title="six labels")
print(f"The quickest label took {bad.quickest:.2f} s, all six took {bad.seconds:.2f} s: {bad.ratio:.1f} times as long.")

# %% [markdown]
# There is the staircase. And yet the work was done in other processes, and this machine could run several of them at a time.
#
# ## A prediction
#
# Six programs were started in that race. How many of them ran at the same moment, at most?
# Write your number in the place of `None`, or leave it.

# %%
guess = lab.predict("programs at the same moment, at most", None)

# %% [markdown]
# Each answer says when its program began and ended. At each beginning we count the programs that had begun and had not ended yet.
# Then we list the programs in the order in which they ran.

# %%
import json

def runs(race):
    return sorted((json.loads(request.body) for request in race.requests), key=lambda run: run["began"])

def at_once(race):
    return max(sum(r["began"] <= run["began"] < r["ended"] for r in runs(race)) for run in runs(race))

guess.beside(at_once(bad))
first = runs(bad)[0]["began"]
for place, run in enumerate(runs(bad), 1):
    print(f"{place}. began at {run['began'] - first:.2f} s, ended at {run['ended'] - first:.2f} s")

# %% [markdown]
# ## Who waited for whom
#
# 1. The app's only thread took a first request. `check_output` started the program.
# 2. `check_output` does not come back before the program has ended. So the thread waited for it, in the middle of the endpoint.
# 3. The program did its work in another process, on another core perhaps. The app's thread did nothing at all.
# 4. The other requests arrived. Nobody took them, so nobody started their programs.
# 5. The first program ended. The thread finished the answer, took the next request, and started the next program.
#
# Another process does not help if we stand beside it until it is done. And `check_output` is only one way to do that. Here are four more.

# %%
# %%app four_ways.py
import os
import subprocess
import time

from fastapi import FastAPI

LABELS = os.environ["LABELS"]
QUIET = {"stdout": subprocess.DEVNULL}
WAYS = {
    "run": lambda wait: subprocess.run([LABELS, wait], **QUIET),
    "call": lambda wait: subprocess.call([LABELS, wait], **QUIET),
    "system": lambda wait: os.system(f"'{LABELS}' {wait} > {os.devnull}"),
    "popen_wait": lambda wait: subprocess.Popen([LABELS, wait], **QUIET).wait(),
}
app = FastAPI()

@app.get("/{way}")
async def label(way: str, wait: float):
    began = time.monotonic()
    WAYS[way](str(wait))
    return {"began": began, "ended": time.monotonic()}


# %%
four_ways = {way: await lab.race(f"/{way}?wait=0.2", n=3, show=False) for way in ("run", "call", "system", "popen_wait")}
for way, race in four_ways.items():
    print(f"{way:10} programs at the same moment, of three: {at_once(race)}. All took {race.ratio:.1f} times the quickest.")

# %% [markdown]
# ## The repair: a program that can be awaited
#
# `asyncio` can start programs, too. There are two things to await: the start and the end.
#
# - `await asyncio.create_subprocess_exec(...)` starts the program and gives you a `process`.
#   It takes the program and its arguments one by one, not as a list.
# - `await process.communicate()` reads everything that the program prints, and waits until it has ended.

# %%
# %%app post_repaired.py
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
# `start` only makes the coroutine. The endpoint awaits it. `PIPE` says that we want to read what the program prints.

# %%
good = await lab.race("/labels?wait=0.3", n=6, title="six labels", show=False)
lab.side_by_side(bad, good, titles=("check_output", "awaited"))
print(f"All six took {bad.ratio:.1f} times as long as the quickest before, and {good.ratio:.1f} times now.")
print(f"Programs at the same moment: {at_once(bad)} before, {at_once(good)} now.")

# %% [markdown]
# At `await process.communicate()` the loop makes a note: *go on here when this program prints something, or ends.* Then it takes the next request.
#
# A single label may be slower than before. Six programs that start together share the cores of the machine.
# That is the price of running at the same time, and we come back to it.
#
# And a little is left on the loop: starting a process is a call to the operating system that cannot be awaited.
# It takes a few milliseconds, whatever the program does afterwards.
#
# ## Keeping `subprocess`
#
# Perhaps the program is started by a package that you cannot change. Then that is a blocking call like any other,
# and you know what helps: a thread. We race both ways to one, and draw the second.

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


# %%
plain = await lab.race("/plain?wait=0.3", n=5, show=False)
thread = await lab.race("/thread?wait=0.3", n=5)
print(f"Five labels took {plain.ratio:.1f} times the quickest with def, {thread.ratio:.1f} times with to_thread.")
print(f"Programs at the same moment, of five: {at_once(plain)} with def, {at_once(thread)} with to_thread.")

# %% [markdown]
# Both are honest, as long as there are threads: 40 for `def` endpoints, and for `to_thread` a few more than there are cores (lesson 05).
#
# ## Several programs for one request
#
# One tour of the delivery van needs three labels. The next app makes them in two ways. Both give the loop back while they wait.

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
print(f"Three labels one by one took {one_by_one.quickest / together.quickest:.1f} times as long as three together.")

# %% [markdown]
# On the left the second program is started only when the first has ended, although it needs nothing from it.
# You met this in lesson 02. It is the same mistake, with processes.
#
# ## The trap that the repair hides: a full pipe
#
# A process also has a method `wait`. It sounds like the right one: wait for the end, then read what was printed.
# The next program prints a million letters and ends. Nothing in it waits. We give it two seconds. Then we read.

# %%
import asyncio

talker = [sys.executable, "-c", "print('x' * 1_000_000)"]
process = await asyncio.create_subprocess_exec(*talker, stdout=asyncio.subprocess.PIPE)
try:
    async with asyncio.timeout(2):
        await process.wait()
except TimeoutError:
    pass
stuck = process.returncode is None
print("After two seconds it is", "still running." if stuck else "done.")

output, _ = await process.communicate()
print(f"{len(output):,} bytes read, and it ended with {process.returncode}.")

# %% [markdown]
# What was it doing for two seconds? It stood still in `print`.
#
# What a program prints goes through a **pipe**, and a pipe is short: it holds only a small part of a million letters.
# If nobody reads at the other end, it is full sooner or later, and whoever wants to write more must wait. So the program waited for us to read,
# and we waited for it to end. Two that wait for each other for ever: that is called a **deadlock**. As soon as we read, it went on.
#
# `communicate` reads *and* waits. Use it unless you have a reason not to. With a short output `wait` works. asyncio takes the first hundred thousand
# letters or so by itself, so the mistake is found late: on the day when the program has more to say.
#
# The same holds for `stderr=PIPE`, and for `Popen.wait` in `subprocess`. There the pipe alone counts: 64 kB on Linux.
#
# ## The second trap: giving up is not stopping
#
# A program can hang, and then its request hangs with it. So you set a limit: `asyncio.timeout` gives up waiting after a given number of seconds.
# What does the program do when we give up?

# %%
process = await asyncio.create_subprocess_exec(program, "30", stdout=asyncio.subprocess.PIPE)
try:
    async with asyncio.timeout(0.5):
        await process.communicate()
except TimeoutError:
    print("We gave up.")
await asyncio.sleep(0.5)
survivor = process.returncode is None
print("Half a second later the program is", "still running." if survivor else "gone.")

# %% [markdown]
# It does not know that we gave up. The timeout cancelled *our wait* and nothing else.
# The program works on, for nobody, for 30 seconds or for ever, and keeps its memory and its core.
#
# To stop it, we must send it a **signal**: a message of the operating system to a process. `kill` sends the one that cannot be ignored.
# Then we wait once more, until the program is really gone:

# %%
process.kill()
await process.communicate()
code = process.returncode
print(f"Now it is gone. It ended with {code}: stopped by signal {-code}.")

# %% [markdown]
# Why `communicate`, and not `wait`? What the program printed before it died may still be in the pipe. In most Pythons asyncio's `wait` ends only
# when the pipe has been read to its end, and it can hang although the program is dead. `communicate` reads what is left.
#
# In an app all of this belongs in one place. The next app has both versions: one that only gives up, and one that also stops the program.
# Both answer 504, *the one I asked was too slow*, and tell the number of the process.

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
# Why `finally`, and not only `except TimeoutError`? A wait can end in other ways: with another error, or because somebody cancels
# the request. What is in `finally` is done in every case.
#
# We send four requests to each, for labels that would take a minute. Afterwards we look which of the processes are still there.
# Those we end: we started them.

# %%
import signal

def running(pid):
    try:
        os.kill(pid, 0)  # signal 0 does nothing; it only asks whether the process is there
    except ProcessLookupError:
        return False
    return True

left = {}
for way in ("give_up", "stop"):
    race = await lab.race(f"/{way}?wait=60", n=4, show=False)
    pids = [json.loads(request.body)["detail"] for request in race.requests]
    left[way] = [pid for pid in pids if running(pid)]
    status = race.requests[0].status
    print(f"{way:7}: {len(pids)} answers with status {status}, {len(left[way])} programs still running.")
for pid in filter(running, left["give_up"]):
    os.kill(pid, signal.SIGKILL)

# %% [markdown]
# To the guests both look the same. On the machine, one of them leaves a process behind with every request that is too slow.
# And when is a program too slow? When there is too much to do already.
#
# One more thing about `kill`: it ends the process that you started, and not those which *that one* has started.
# Here we start a shell, and the shell starts two programs with a pipe between them.

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
# The programs lived on, and `communicate` waited for them, since they held the other end of the pipe. In a `finally` it would hang there.
# `start_new_session=True` puts the program and all its descendants into a group of their own, and `os.killpg` kills the group.
#
# Better still, use `exec`, which starts the program itself. A shell is dangerous, too: it reads what a guest has typed as commands.
#
# `subprocess.run(..., timeout=0.5)` kills the program that it started. But until then it blocks.
#
# ## The third trap: a burst of programs
#
# The loop is free now, and takes every request at once. Nothing limits how many programs a crowd of requests starts.
#
# The old program mostly sleeps. Sleepers get in nobody's way. So here is one that computes: it works out the pattern of black and
# white squares that is printed on a parcel. It also says when it began and when it ended.
#
# The app after it starts that program in two ways. The second has a semaphore with one place for each core:
# whoever finds none free waits, on the loop and without harm.

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
cores = os.cpu_count()
print(f"This machine has {cores} cores.")

# %%
# %%app post_limited.py
import asyncio
import json
import os

from fastapi import FastAPI

app = FastAPI()
places = asyncio.Semaphore(os.cpu_count())


def start():
    return asyncio.create_subprocess_exec(os.environ["SQUARES"], stdout=asyncio.subprocess.PIPE)


@app.get("/all_at_once")
async def pattern():
    process = await start()
    output, _ = await process.communicate()
    return json.loads(output)


@app.get("/one_a_core")
async def in_turn():
    async with places:
        return await pattern()


# %%
import statistics

crowd = min(6 * cores, 60)
burst = await lab.race("/all_at_once", n=crowd, show=False)
limited = await lab.race("/one_a_core", n=crowd, show=False)
lab.side_by_side(burst, limited, titles=("all at once", "one a core"))
for way, crowded in (("all at once", burst), ("one a core", limited)):
    half = statistics.median(request.end for request in crowded.requests)
    print(f"{way:11}: {at_once(crowded):2} programs at the same moment; half of {crowd} guests served by {half:.2f} s, all by {crowded.seconds:.2f} s.")

# %% [markdown]
# The cores have the same work to do both times, so the last guest waits about as long. But compare when *half* of the guests
# had been served. All at once, each program gets a small share of a core, and nearly all of them end late, together.
# With the semaphore the first ones are soon done and out of the way.
#
# And there is memory. If each program takes 500 MB, a crowd of them brings down the machine and everything on it.
#
# How many places? If the program computes, about as many as the machine has cores. If it mostly waits, as many as your memory allows.
#
# If the lane on the left names `await start()`, you see many processes being started, one after the other, each with a little work on the loop.
# With the semaphore this work is spread out.
#
# ## When not to bother
#
# - **Scripts, jobs, and the start of an app.** Nobody is waiting. `subprocess.run` is fine.
# - **A request that comes once a day,** for a program that ends quickly.
#
# And sometimes there is nothing to repair, because no program is needed. Many commands that apps start
# have a function in Python's library: `shutil.disk_usage` for `df`, `pathlib` for `ls`, `shutil.copy` for `cp`.
# The next cell asks for the name of this machine's system in two ways.

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
program.unlink(), squares.unlink()
folder.rmdir()

# %% [markdown]
# The quickest process is the one that is not started. (The last two lines of the cell removed both programs.)
#
# ## What you have seen
#
# - `subprocess.run`, `call`, `check_output`, `os.system` and `Popen.wait` in an `async def` wait on the loop until the program has ended. However many requests come, one program runs at a time.
# - `create_subprocess_exec` and `communicate` wait without holding anybody. A `def` endpoint and `to_thread` are honest, too.
# - Programs that do not need each other are started together, with `gather`.
# - `wait` without reading is a deadlock as soon as the program prints more than fits. `communicate` reads and waits.
# - A timeout ends the wait, not the program. `kill` it in `finally`, and `communicate` until it is gone. What it has started itself needs `killpg`.
# - A free loop starts as many programs as there are requests. A semaphore sets the limit, and most guests are served earlier.
# - In a script or at the start of an app: leave it. And perhaps a function does what the program did.
#
# ## Check yourself
#
# **1.** A colleague writes `process = subprocess.Popen(command)` and then `await asyncio.to_thread(process.wait)`, with `stdout=PIPE`,
# and reads `process.stdout` after that. Is the loop free? What can go wrong?
#
# <details><summary>Answer</summary>
#
# The loop is free, except for the moment of the start. But nobody reads while `wait` waits. If the program prints more than the pipe holds,
# both wait for ever, and a thread of the pool is lost with each such request. `process.communicate` in the thread is right.
#
# </details>
#
# **2.** Your app answers 504 after five seconds, as it should. But the machine becomes slower from hour to hour, until you restart it.
# What do you look for?
#
# <details><summary>Answer</summary>
#
# For programs that run on after their request has given up. Look for children of the app in the list of processes.
# Then look for a timeout around `communicate` without a `kill`.
#
# </details>
#
# ## Further reading
#
# - Python, *Subprocesses* in asyncio: https://docs.python.org/3/library/asyncio-subprocess.html
# - Python, *subprocess*: https://docs.python.org/3/library/subprocess.html
# - Python, *Timeouts*: https://docs.python.org/3/library/asyncio-task.html#timeouts
# - Python, the `wait` that hangs after `kill`: https://github.com/python/cpython/issues/119710
# - Linux, how much a pipe holds: https://man7.org/linux/man-pages/man7/pipe.7.html
#
# Next: the exercise of this lesson, in the notebook `exercise_06_subprocesses.ipynb` beside this one. It has two endpoints,
# and you know both mistakes.
