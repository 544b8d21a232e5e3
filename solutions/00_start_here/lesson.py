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
# # Start here
#
# > **It happened.** In December 2020, a developer sent requests to two different endpoints of a FastAPI service at the same time.
# > The first took 10 seconds, and the second didn't even start until the first was done.
# > The replies blamed a blocked event loop. Almost two years later, people with the same symptom were still joining the thread.
# > ([fastapi#2484](https://github.com/fastapi/fastapi/issues/2484))
#
# A FastAPI app serves many clients at once with a single thread, so one blocking line makes every user of the app wait in line.
# In this course you watch such queues build up, find the line that causes them, and fix it.
#
# **About 20 minutes**, plus 5 for the sections marked "Deeper", which you can leave for later.
# You should be comfortable with Python functions and have seen a FastAPI endpoint once. You don't need to know asyncio.
#
# You'll see
#
# - whether ten requests take as long as one, or ten times as long;
# - how to read the timeline of a race, and how to find the line that blocked the app;
# - what an event loop does, and why a notebook has the same weakness as an app.
#
# ## How this course works
#
# Read a cell, then run it with **Shift-Enter**, from the top of the notebook to the bottom.
# While a cell runs, its marker shows `[*]`.
#
# Some cells ask you for a **prediction**. Write it down before you run the next cell: a wrong guess is worth more than no guess,
# because it shows you where your idea of the app is wrong. Cells under **Your turn** are there to be changed and run again.
#
# The next cell loads the tools of the course. If it fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## A small app
#
# The next cell is a complete file. Its first line, `%%app tea.py`, saves the cell as `tea.py` next to this notebook and serves
# the file's `app`. When the course mentions a line number, that `%%app` line is line 1.
# The app runs in a process of its own, as it would in production.
#
# A cup of tea takes 0.2 seconds here. `{cup}` is a **path parameter**, a part of the URL that the client fills in:
# a request for `/tea/7` calls `tea(7)`.

# %%
# %%app tea.py
import asyncio

from fastapi import FastAPI

app = FastAPI()


async def steep(seconds):
    await asyncio.sleep(seconds)


@app.get("/tea/{cup}")
async def tea(cup: int):
    await steep(0.2)
    return {"cup": cup}


# %% [markdown]
# Start with a single request. In the path of a race, `{i}` stands for the number of the request, so this one is `/tea/1`.
# The picture below the cell is drawn while the request is running; the next section explains its parts.

# %%
one = await lab.race("/tea/{i}", n=1, title="one cup")
print("The response was", one.requests[0].body)

# %% [markdown]
# ## Ten requests at once
#
# Now ten clients ask for a cup at the same moment. There is one app, and it serves all of them with one thread.
# Each cup still takes 0.2 seconds. **How many seconds until the last client has their tea?**
#
# Replace `None` with your guess, or leave it. The guess shows up next to the measurement, and as a dashed line in the picture.

# %%
guess = lab.predict("all ten cups together", None, "s")

# %%
healthy = await lab.race("/tea/{i}", n=10, title="ten cups", prediction=guess)
guess.compare(healthy.seconds)

# %% [markdown]
# Requests that are sent at the same moment are called a **race**, and the picture of a race is its **timeline**. Time runs from left to right.
#
# - Each **blue bar** is a request, from the moment it's sent until its response has arrived. The fastest response is in the top row.
#   A bar that is grey and crossed out is a request that failed; the number next to it is the HTTP status, and 500 means that the app raised an error.
# - The **canary** lane shows cheap probe requests that the lab sends during the race: each of them only checks that the app still responds,
#   and each is sent only when the one before it has its response. Short marks are good. A canary that takes longer than 0.05 seconds is dotted and yellow:
#   miners took canaries underground because the birds were the first to show that the air was bad.
# - The **event loop** lane shows the app's one thread. It's plain and says *free* as long as that thread is ready for more work.
#   On a busy machine it can also show that the thread was ready but had to wait for a CPU; that isn't the app's fault, and no line is blamed for it.
#
# In this race all ten bars cover the same stretch of time. The ten waits ran **concurrently**: one thread had ten of them in progress at once.
#
# ## The same app, with one line changed
#
# Here is the app again. The endpoint hasn't changed at all. One line of code is different, and so is the import that it needs.
# Find that line before you run the cell.

# %%
# %%app hasty_tea.py
import time

from fastapi import FastAPI

app = FastAPI()


async def steep(seconds):
    time.sleep(seconds)


@app.get("/tea/{cup}")
async def tea(cup: int):
    await steep(0.2)
    return {"cup": cup}


# %% [markdown]
# Ask for one cup, this time without the picture, so that you see only what a browser would show you.
# (A race always goes to the app that was served last. To return to an earlier app, run its `%%app` cell again.)

# %%
one_hasty = await lab.race("/tea/{i}", n=1, show=False)
print(f"One cup took {one.seconds:.2f} s before and takes {one_hasty.seconds:.2f} s now. The response was", one_hasty.requests[0].body)

# %% [markdown]
# The response is right, and it's no slower. If this were your test, you would ship it.
#
# Now send ten at once. Below the picture of this race, the lab draws both races again on the same time scale.

# %%
sick = await lab.race("/tea/{i}", n=10, title="ten cups")
lab.side_by_side(healthy, sick, titles=("healthy", "sick"))

# %% [markdown]
# Three things are different on the right.
#
# - The bars form a **staircase**. They all start at the left edge, because all ten requests were sent together,
#   but each one ends a step later than the one above it. The requests ran **sequentially**: this is what a queue looks like.
# - The event loop lane is **hatched**. In a hatched stretch one piece of code kept the thread, and no other request was served:
#   the loop was **blocked**. The label names the line that did it.
# - A **canary** is late. It asks for nothing that takes time, and is late only because it uses the same app. It's a single one because
#   the next canary isn't sent before this one has its response.
#
# A race also keeps what it measured, for example where the loop was blocked and how each canary fared:

# %%
def late_canaries(race):
    took = [canary.end - canary.start for canary in race.canaries if canary.end is not None]
    return f"{sum(seconds >= 0.05 for seconds in took)} of {len(took)} canaries were late"

worst = sick.worst_block
print(f"The longest block: {worst.code}, {worst.place}")
print(f"Healthy: {late_canaries(healthy)}. Sick: {late_canaries(sick)}.")

# %% [markdown]
# ### Your turn: how long is the queue?
#
# `hasty_tea.py` is still being served. Change `n`, write down how long the last client waits, and run the cell. Then try another `n`.
# Can you write down a formula before you open the explanation?

# %%
n = 4  # try 2, 7, 20
last_cup = lab.predict(f"the last of {n} cups", None, "s")
queue = await lab.race("/tea/{i}", n=n, show=False)
last_cup.compare(queue.seconds)
print(f"That is {queue.seconds / n:.2f} s for each of the {n} cups.")

# %% [markdown]
# <details><summary>The formula</summary>
#
# The last client waits `n × 0.2` seconds: their own 0.2 s, and 0.2 s for every request that the thread handled before theirs.
# In the healthy app the same clients wait 0.2 seconds each, whatever `n` is.
# That's why one test request tells you nothing: for `n = 1` both formulas give the same number.
#
# </details>
#
# ## What an event loop is
#
# The app's thread runs an **event loop**. It keeps a **ready queue** of small steps that can run right now: read a request,
# continue an endpoint, send a response. Each step is a **callback**, and the loop runs one callback at a time:
# it takes the first one from the ready queue, runs it, takes the next, and so on.
# When the ready queue is empty, the loop asks the operating system to wake it up as soon as a timer is due or a connection has data. This is the **I/O wait**.
#
# The two sleeps treat this loop very differently.
#
# - `await asyncio.sleep(0.2)` is **non-blocking**. It sets a timer, ends the current callback, and the loop goes on with the next one.
#   After 0.2 seconds the rest of the endpoint goes back into the ready queue.
# - `time.sleep(0.2)` is **blocking**. It tells the operating system to suspend this thread for 0.2 seconds. The thread *is* the loop,
#   so nothing in the ready queue runs in the meantime.
#
# Neither of them uses the CPU. Waiting for a timer, a network or a disk is called **I/O-bound** work, and its opposite, computing, is **CPU-bound** work.
# Lessons 01 to 06 are about waiting, lessons 07 and 08 about computing.
#
# The delay between the moment when a callback should run and the moment when it does run is called **loop lag**.
# The longest blocked stretch of a race is also its worst lag: a callback that becomes ready just after the block begins has to wait until it ends.

# %%
lab.diagrams.loop("tea()", ["steep()", "GET /tea"], 7 * ["asyncio.sleep(0.2)"], note="tea.py: seven requests wait, and the thread is free for the rest.").show()
lab.diagrams.loop("time.sleep(0.2)", 9 * ["GET /tea"], blocked=True, note="hasty_tea.py: one request sleeps, and nine wait for the thread.").show()
print(f"Worst loop lag: {sick.loop_lag:.0f} ms in hasty_tea.py, {healthy.loop_lag:.0f} ms in tea.py.")

# %% [markdown]
# The `async` keyword doesn't make a function non-blocking. Both versions of `steep` are **coroutine functions** (`async def`), and both are called with `await`.
# What counts is the call at the end of the chain: `asyncio.sleep` in `tea.py`, `time.sleep` in `hasty_tea.py`.
#
# (The lab only reports stretches of 20 milliseconds or more. Shorter ones are the normal work of an app.)
#
# ### Your turn: fix it
#
# This is the sick app under a new name. Fix it without looking back at `tea.py`, and run both cells. The second one tells you whether your app still blocks.

# %%
# %%app my_tea.py
import time

from fastapi import FastAPI

app = FastAPI()


async def steep(seconds):
    time.sleep(seconds)


@app.get("/tea/{cup}")
async def tea(cup: int):
    await steep(0.2)
    return {"cup": cup}


# %%
mine = await lab.race("/tea/{i}", n=10, title="my ten cups")
if mine.errors:
    print(f"Not fixed yet. The app raised {mine.errors[0].type}: {mine.errors[0].message}")
elif mine.seconds >= 10 * 0.2:
    print(f"Not fixed yet. The loop was {mine.lane}.")
else:
    print("Fixed: the ten waits overlap." if mine.quickest >= 0.2 else "Too fast: is the result of the sleep awaited?")

# %% [markdown]
# ## This notebook runs an event loop, too
#
# A notebook talks to a Python process, the **kernel**, and that process has an event loop as well: it receives your cells and runs them.
# That's why you can write `await` in a cell, outside any function. It also means that a cell can block the kernel just as an endpoint can block an app.
#
# To see it, here is a coroutine that ticks twenty times a second, if the loop lets it.
# `asyncio.create_task` hands it to the loop, which runs it concurrently with everything else, and returns a **task**: a handle
# that you can await, or stop with `cancel()`. **How many ticks do you expect from each sleep?**

# %%
import asyncio
import time

async def tick(ticks):
    while True:
        ticks.append("tick")
        await asyncio.sleep(0.05)

blocking, polite = [], []
task = asyncio.create_task(tick(blocking))
time.sleep(1)
print(f"During time.sleep(1): {len(blocking)} ticks.")
task.cancel()

task = asyncio.create_task(tick(polite))
await asyncio.sleep(1)
print(f"During await asyncio.sleep(1): {len(polite)} ticks.")
stopped = task.cancel()  # a notebook shows the value of a cell's last line, unless you assign it to a name

# %% [markdown]
# `time.sleep` blocked the kernel's own loop, so the task couldn't tick. The apps of this course run in separate processes:
# a blocked cell can't block them, and a blocked app can't block the notebook.
#
# ## Deeper: `asyncio.run` in a notebook
#
# Outside notebooks, a program starts its event loop with `asyncio.run(...)`, and many examples on the web do the same. In a cell it fails.
# (`close()` discards the race that couldn't start.)

# %%
waiting = lab.race("/tea/{i}", n=3)
try:
    asyncio.run(waiting)
except RuntimeError as error:
    print("RuntimeError:", error)
    waiting.close()

# %% [markdown]
# A thread can run only one event loop at a time, and this one already runs the kernel's. In a cell the fix is simple: write `await` instead.
#
# A plain `def` function can't use `await`, though, and code that you bring from elsewhere may call `asyncio.run` deep inside.
# For such code, `lab.allow_asyncio_run()` applies **nest-asyncio**, a package that patches asyncio so that a loop can run inside a running loop.
# (From Python 3.14 on the course uses its maintained fork nest-asyncio2; the original is archived.)

# %%
lab.allow_asyncio_run()
server = lab.serve("hasty_tea.py")  # serves a file that already exists

def seconds_for(cups):
    return asyncio.run(lab.race("/tea/{i}", n=cups, title="three cups")).seconds

three_cups = seconds_for(3)
print(f"Three cups took {three_cups:.2f} s.")

# %% [markdown]
# The patch applies to a whole process. In a notebook it's convenient. In an app it would hide a bug, and this endpoint has it:
# it starts a second event loop while the app's own loop is running.

# %%
# %%app nested_tea.py
import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/tea/{cup}")
async def tea(cup: int):
    asyncio.run(asyncio.sleep(0.2))
    return {"cup": cup}


# %%
nested = await lab.race("/tea/{i}", n=3, title="a loop in a loop")
print("Status:", nested.requests[0].status, "because", nested.errors[0].message)

# %% [markdown]
# Status 500, *Internal Server Error*, is good news here, because it shows you the bug. In a patched process the same endpoint would appear to work,
# and the 500 would turn up on the day the app runs somewhere else. That's why the course never patches a process that serves an app.
#
# ## Deeper: two browser tabs wait for each other, and the code is right
#
# You open the same URL in two browser tabs, and the second one starts only when the first is done. Before you search your code, check your browser:
# some browsers hold back a second request for an **identical URL** until the first response has arrived, in case it can be cached.
# In the thread at the top of this lesson, a developer whose app was fine ran into exactly that in 2022; separate private windows solved it.
#
# So don't test concurrency with browser tabs, or at least make the URLs different (`?tab=1`, `?tab=2`). A race doesn't have this problem: it isn't a browser,
# and even ten identical URLs leave at the same moment.

# %%
server = lab.serve("tea.py")
same_url = await lab.race("/tea/7", n=10, show=False)
print(f"Ten requests for the identical URL took {same_url.ratio:.1f} times as long as the fastest one.")

# %% [markdown]
# ## What you have seen
#
# - Ten requests took about as long as one in `tea.py`, and about ten times as long in `hasty_tea.py`.
# - The two files differ in one line of code and its import. For a single request both gave the right response, equally fast.
# - The timeline tells them apart by three signs: a staircase, a hatched event loop lane, and a late canary. It also names the line.
# - The event loop runs one callback at a time. A non-blocking call lets it continue with the next one, and a blocking call stops everything.
# - A notebook has an event loop, too: `await` works in a cell, and a blocking call stops everything else in the kernel.
#
# ## Check yourself
#
# **1.** A colleague says: "The function is `async def`, so it can't block." What do you reply?
#
# <details><summary>Answer</summary>
#
# `steep` in `hasty_tea.py` is `async def`, and it blocks. What counts is the call that waits:
# `time.sleep` keeps the thread, `await asyncio.sleep` gives it back to the loop.
#
# </details>
#
# **2.** In a timeline all bars are short and equally long, but the event loop lane is hatched in one place. How do you find out whether that did any harm?
#
# <details><summary>Answer</summary>
#
# Look at the canaries. If one of them was late at that moment, so was every other request to the app.
#
# </details>
#
# ## Words of this lesson
#
# - **race**: N requests sent at the same moment to a running app, measured from outside. Its picture is the **timeline**.
# - **canary**: a cheap probe request sent during a race. If it's late, the app wasn't serving anything else either.
# - **event loop**: the single thread that runs all `async def` endpoints of an app, one callback at a time.
#   Its **ready queue** holds the callbacks that can run now.
# - **blocking / non-blocking**: a blocking call keeps its thread until it's done. A non-blocking call gives the thread back while it waits.
# - **loop lag**: how late the loop runs a callback that is due, in milliseconds.
# - **concurrent / sequential**: concurrent tasks are in progress during the same time; sequential ones run one after another.
# - **I/O-bound / CPU-bound**: work that mostly waits (network, disk, timers) or mostly computes.
# - **coroutine**: the object that a call of an `async def` function returns. It runs when you await it, or when you give it to the loop as a **task**.
# - **path parameter**: a variable part of a URL's path, such as `{cup}` in `/tea/{cup}`.
#
# ## Further reading
#
# - FastAPI, *Concurrency and async / await*: https://fastapi.tiangolo.com/async/
# - Python, *Event Loop*: https://docs.python.org/3/library/asyncio-eventloop.html
# - nest-asyncio: https://github.com/erdewit/nest_asyncio
# - nest-asyncio2: https://github.com/Chaoses-Ib/nest-asyncio2
#
# Next: lesson 01, *Sleeping*, in the folder `01_sleeping`.
