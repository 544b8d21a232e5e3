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
# # Sleeping
#
# This lesson takes about 20 minutes. You need lesson 00, *Start here*: you know what a race,
# a timeline, a canary and the event loop are.
#
# You will see
#
# - what one `time.sleep` does to everybody else, and who waits for whom;
# - the repair, `await asyncio.sleep`, and the same race again;
# - the same mistake where you would not look for it: in a helper, and in a dependency;
# - an honest repair without `await`: the `def` endpoint, and its limit;
# - two repairs that look right and are not;
# - when a sleep is not worth your time.
#
# Why sleep at all? Code waits before it tries again, because a partner asked it to slow down, or until something is ready.
# And a sleep is the simplest of all waits. What you learn from it holds for databases and files, too.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## What goes wrong
#
# A café takes orders. Coffee takes as long as the request says in `wait`. If a parameter is not part of the path,
# FastAPI takes it from behind the question mark: `/coffee?wait=0.2` calls `coffee(0.2)`. The menu takes no time at all.

# %%
# %%app cafe.py
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
async def coffee(wait: float):
    time.sleep(wait)
    return {"drink": "coffee"}


@app.get("/menu")
async def menu():
    return ["coffee", "tea"]


# %% [markdown]
# Ten guests order at once. Each coffee takes 0.2 seconds.

# %%
bad = await lab.race("/coffee?wait=0.2", n=10)
print(f"The quickest coffee took {bad.quickest:.2f} s, all ten took {bad.seconds:.2f} s: {bad.ratio:.1f} times as long.")

# %% [markdown]
# You know this staircase from lesson 00. Nine guests stood in a queue that nobody had planned.
#
# ## A prediction
#
# Now a mixed race. Four requests are sent together: three coffees of 0.3 seconds each, and the menu.
# The menu is second in the list, and takes no time itself.
#
# After how many seconds does the second guest have the menu: at least, and at most?
# Write your numbers in the places of `None`, or leave them.

# %%
at_least = lab.predict("the menu, at least", None, "s")
at_most = lab.predict("the menu, at most", None, "s")

# %%
orders = ["/coffee?wait=0.3", "/menu", "/coffee?wait=0.3", "/coffee?wait=0.3"]
mixed = await lab.race(orders, title="three coffees and a menu")
at_least.beside(mixed.requests[1].seconds, at_most)

# %% [markdown]
# ## Who waited for whom
#
# The requests in the order in which they were answered:

# %%
before = 0.0
for place, request in enumerate(sorted(mixed.requests, key=lambda r: r.end), 1):
    print(f"{place}. {request.path:17} answered at {request.end:.2f} s, {request.end - before:.2f} s after the one before")
    before = request.end

# %% [markdown]
# Read this list from the top. This is what the app's only thread did:
#
# 1. It took the first coffee, started the endpoint and came to `time.sleep`. There it stopped, in the middle of the function.
# 2. Meanwhile the other three requests arrived. The operating system held them. No Python code looked at them.
# 3. The sleep was over. The thread finished the answer and took the next request. If that was a coffee, it stopped again.
# 4. So it went on. Each guest waited for everybody who was taken before them, and then for their own order.
# 5. The menu needs no sleep. It waited for *other people's* sleeps: for every coffee above it in the list.
#
# How many coffees stand above the menu is a matter of luck. Requests that arrive during a sleep are taken in no particular order,
# and being second in our list helps little. So the menu takes at least no time, if nobody is taken before it,
# and at most three times 0.3 seconds, if everybody is. Run the race a few times, and look at the place of the menu.
#
# ## The repair
#
# `await asyncio.sleep(wait)` waits just as long. But it gives the thread back to the event loop for that time.
# The new file differs from the old one in two lines: the import, and the sleep.

# %%
# %%app cafe_repaired.py
import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
async def coffee(wait: float):
    await asyncio.sleep(wait)
    return {"drink": "coffee"}


@app.get("/menu")
async def menu():
    return ["coffee", "tea"]


# %% [markdown]
# The same ten guests, beside the first race on the same scale:

# %%
good = await lab.race("/coffee?wait=0.2", n=10, show=False)
lab.side_by_side(bad, good, titles=("time.sleep", "await asyncio.sleep"))
print(f"All ten took {bad.ratio:.1f} times as long as the quickest before, and {good.ratio:.1f} times now.")
print(f"The slowest canary waited {bad.worst_canary:.2f} s before, and {good.worst_canary:.2f} s now.")

# %% [markdown]
# No coffee became faster. A coffee still takes as long as it takes. Only the queue is gone.
#
# And the guest who wants nothing but the menu?

# %%
mixed_again = await lab.race(orders)
print(f"The menu took {mixed.requests[1].seconds:.2f} s before and {mixed_again.requests[1].seconds:.2f} s now.")

# %% [markdown]
# Once more, step by step. The first coffee comes to `await asyncio.sleep`, and the loop notes: *wake me in 0.3 seconds*.
# Then it takes the next request. If that is a coffee, it makes the next note. If it is the menu, it answers on the spot.
# After that it waits for whichever note is due first. There is nothing left for luck to decide.
#
# ## The same mistake, two calls down
#
# Here is an endpoint. Does it block?
#
# ```python
# @app.get("/beans/{sort}")
# async def beans(sort: str):
#     return ask_roaster(sort)
# ```
#
# You cannot tell. There is no sleep in it. Here is the whole file.

# %%
# %%app beans.py
import time

from fastapi import FastAPI

app = FastAPI()


def pause():
    time.sleep(0.3)


def ask_roaster(sort):
    pause()
    return {"sort": sort, "in_stock": True}


@app.get("/beans/{sort}")
async def beans(sort: str):
    return ask_roaster(sort)


# %% [markdown]
# A linter is a program that reads code and looks for mistakes. The usual rule for this mistake says:
# no `time.sleep` inside an `async def`. The next cell is a small linter of that kind.
# It prints the lines that it finds in a file.

# %%
import ast
from pathlib import Path

def sleeps_in_async_functions(file):
    functions = [f for f in ast.walk(ast.parse(Path(file).read_text())) if isinstance(f, ast.AsyncFunctionDef)]
    calls = [node for f in functions for node in ast.walk(f) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if ast.unparse(call.func) == "time.sleep"]

for file in ("cafe.py", "beans.py"):
    print(f"{file}: lines found {sleeps_in_async_functions(file)}")

# %% [markdown]
# It finds the sleep in the café and none at the roaster's. There the `async def` and the sleep are in different functions.
# Between them there could be three files and two packages. Real linters know more rules
# (in ruff this one is called `ASYNC251`), but they, too, look at one function at a time.
#
# The timeline does not read code. It looks at what held the thread while the thread was held.

# %%
helper = await lab.race("/beans/{i}", n=5, title="/beans")
block = helper.worst_block
print(f"{block.code}: {block.place}")

# %% [markdown]
# This names the place where the thread slept. The place that you have to change may be a different one.
# A plain `def` function cannot `await`. So to repair `pause` with `await`, `pause` must become `async def`.
# Then the function that calls it must await it, and so become `async def` as well, up to the endpoint.
# The exercise lets you do that.
#
# ## The same mistake in a dependency
#
# FastAPI can run a function before your endpoint: a **dependency**. Many apps check there who is calling.
# The endpoint below does nothing but answer. It has two doors, each with its own dependency.

# %%
# %%app doors.py
import time

from fastapi import Depends, FastAPI

app = FastAPI()


async def async_check(wait: float):
    time.sleep(wait)


def plain_check(wait: float):
    time.sleep(wait)


@app.get("/front", dependencies=[Depends(async_check)])
@app.get("/back", dependencies=[Depends(plain_check)])
async def enter():
    return {"welcome": True}


# %% [markdown]
# Both checks sleep in the same way. Only one word is different: `async`.
# Which of the two doors has the queue? Decide before you run the race.

# %%
front = await lab.race("/front?wait=0.2", n=5, show=False)
back = await lab.race("/back?wait=0.2", n=5, show=False)
lab.side_by_side(front, back, titles=("async def check", "def check"))

# %% [markdown]
# The plain `def` is the good one here. FastAPI looks at the word:
#
# - it calls an `async def` function on the event loop, because it trusts the function to `await`;
# - it hands a `def` function to a **thread pool**: a set of other threads, which may sleep without harm.
#
# So `async def` is a promise. `async_check` breaks it.
#
# ## An honest repair without `await`: the `def` endpoint
#
# What holds for dependencies holds for endpoints. Here is the café with its `time.sleep` still in place.
# Only the word `async` in front of `coffee` is gone.

# %%
# %%app cafe_threads.py
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
def coffee(wait: float):
    time.sleep(wait)
    return {"drink": "coffee"}


# %%
threads = await lab.race("/coffee?wait=0.2", n=10)
print(f"time.sleep in async def: {bad.ratio:.1f} times the quickest. In def: {threads.ratio:.1f} times.")

# %% [markdown]
# For code that cannot be awaited this is a real repair, and often the smallest.
#
# Its limit is the size of the pool. It has 40 threads, and everything that FastAPI itself hands to a thread shares them
# (`asyncio.to_thread` has another pool: lesson 05).
# What happens with 45 guests? The first 40 get a thread. The other 5 wait until one is free.

# %%
import math

crowd = await lab.race("/coffee?wait=1", n=45)
print(f"45 guests on 40 threads need {math.ceil(45 / 40)} turns of 1 s. Measured: {crowd.seconds:.1f} s.")

# %% [markdown]
# Five guests waited for a thread first, and then for their coffee. Usually their bars stand out at the bottom.
#
# The bars above them may end in a slope, and not together: the loop hands one request after another
# to a thread, which takes a moment each time. Many such moments can make a canary late, though none of them is long.
# Then the loop's lane says *never blocked for long, but busy*, or a moment of it is hatched.
# While the threads sleep, the loop has nothing to do: an endpoint that needs no thread is answered.
#
# ## The trap that the repair hides
#
# A repair can look right and be wrong. Read this one, and look for what is missing.
# The lab keeps whatever an app prints: you find it in `lab.current().log`. The cell with the race looks there for a warning.

# %%
# %%app forgotten.py
import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/coffee")
async def coffee(wait: float):
    asyncio.sleep(wait)
    return {"drink": "coffee"}


# %%
forgotten = await lab.race("/coffee?wait=0.5", n=5)
print(f"Each request asked for a wait of 0.5 s. The slowest of them was answered after {forgotten.seconds:.2f} s.")
warning = next((line for line in lab.current().log.splitlines() if "never awaited" in line), "nothing yet")
print("In the log of the server:", warning.split(": ", 1)[-1])

# %% [markdown]
# The bars are short: much too short. Calling an `async def` function does not run it yet.
# The call only makes a **coroutine**: an object that does the function's work when it is awaited.
# Nobody awaits this one. The coffee is served before it is made.
#
# Python does say so, in a line of the server's log. In production, who reads it?
#
# The second trap. Here the author repaired the endpoint, but not the helper that it calls.

# %%
# %%app partly.py
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


def note_order(seconds):
    time.sleep(seconds)


@app.get("/coffee")
async def coffee(wait: float):
    note_order(wait / 10)
    await asyncio.sleep(wait * 9 / 10)
    return {"drink": "coffee"}


# %% [markdown]
# And this is how such repairs are often tested: send ten requests together and look at the total time.
# One after the other, ten waits of 0.5 seconds would take 5 seconds. So the test demands less than 2.

# %%
partly = await lab.race("/coffee?wait=0.5", n=10)
verdict = "passed" if partly.seconds < 2 else "failed"
print(f"Total: {partly.seconds:.2f} s. The test is {verdict}. But a canary waited {partly.worst_canary:.2f} s.")


# %% [markdown]
# Each request blocks for only a tenth of its wait. But ten of them came together, and their tenths add up.
# During that time nobody is answered. The total hides it. The canary shows it.
#
# So after a repair, race again and look at the lane of the loop. Do not stop just because the line that you knew about is gone.
#
# ## One request at a time looks fine
#
# How could the bad café pass its author's tests? Let us ask each app for five coffees, one after the other,
# and look only at how long that takes. `lab.serve("cafe.py")` serves a file that is already there.

# %%
async def one_by_one(file):
    lab.serve(file)
    races = [await lab.race("/coffee?wait=0.2", n=1, show=False) for _ in range(5)]
    return sum(race.seconds for race in races)

alone, alone_repaired = await one_by_one("cafe.py"), await one_by_one("cafe_repaired.py")
print(f"Five coffees, one after the other: {alone:.1f} s in cafe.py, {alone_repaired:.1f} s in cafe_repaired.py.")

# %% [markdown]
# You cannot tell them apart. As long as no two guests come at the same time, nobody waits for anybody else.
# A test that is meant to find this mistake must send requests *together*.
#
# ## When not to bother
#
# - **One user, one task.** A script, a command-line tool, a nightly job: if nobody else is waiting, let it sleep.
# - **Before the first guest.** While an app starts, it serves nobody yet.
# - **In a thread of its own.** A worker thread that sleeps holds nothing but itself.
# - **Very short sleeps, now and then.** The next cell races the bad café with sleeps of a millisecond.

# %%
app = lab.serve("cafe.py")
short = await lab.race("/coffee?wait=0.001", n=10)
print(f"The slowest canary waited {1000 * short.worst_canary:.0f} ms; with sleeps of 0.2 s it was {1000 * bad.worst_canary:.0f} ms.")

# %% [markdown]
# The lane of the loop shows only stretches of 20 milliseconds or more, and no sleep here is that long.
# (If it is hatched all the same, look for the words *in the queue for a CPU*.)
#
# It is still the same mistake. But no guest can feel it, and there may be worse in your app. Measure first, then repair in order of harm.
#
# ## What you have seen
#
# - One `time.sleep` in an `async def` holds the only thread. Each guest waits for everybody who was taken before, even the one who wanted only the menu.
# - `await asyncio.sleep` waits as long and holds nobody. No coffee is made faster; the queue is gone.
# - In a helper or a dependency the same sleep does the same harm. Reading the endpoint does not show it. The timeline names file, line and function.
# - A `def` endpoint or a `def` dependency runs in a pool of 40 threads. It may sleep, up to 40 at a time.
# - A forgotten `await` skips the wait; the answers come too early. A helper that kept its sleep passes a test of the total; the canary is late.
# - A script, a start-up, a millisecond: leave it.
#
# ## Check yourself
#
# **1.** An `async def` endpoint calls `time.sleep(0.5)`. Another endpoint of the same app never sleeps.
# Four requests to the first and one to the second arrive together. How long can that one take?
#
# <details><summary>Answer</summary>
#
# Up to four times 0.5 seconds. There is one thread for both endpoints. With bad luck it sleeps four times before it comes to the fifth request.
#
# </details>
#
# **2.** You change `async def order()` to `def order()`. It depends on `async def check()`, which calls `time.sleep`. Is the loop free now?
#
# <details><summary>Answer</summary>
#
# No. The endpoint now runs in the thread pool, but the dependency is still `async def`, and so it still runs on the event loop. FastAPI decides for each function separately.
#
# </details>
#
# ## Further reading
#
# - FastAPI, *Concurrency and async / await*: https://fastapi.tiangolo.com/async/
# - Python, *Developing with asyncio*: https://docs.python.org/3/library/asyncio-dev.html
# - Starlette, *Thread Pool*: https://www.starlette.io/threadpool
#
# Next: the exercise of this lesson, in the notebook `exercise_01_sleeping.ipynb` beside this one. It has three endpoints, and you already know all three mistakes.
