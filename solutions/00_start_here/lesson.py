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
# A FastAPI app answers many people at once with a single thread.
# One line that waits in the wrong way makes all of them queue.
# In this course you see such queues form, find the line, and repair it.
#
# This first lesson takes about 15 minutes.
# You need to know Python functions, and to have seen a FastAPI endpoint once.
# You do not need to know asyncio.
#
# You will see that
#
# - ten requests can take as long as one, or ten times as long;
# - two apps that look alike can differ in exactly that;
# - a picture of the race tells you which of the two you have, and which line is to blame;
# - the notebook that you are reading has the same weakness as the app.
#
# ## How to read
#
# Read a cell, then run it with **Shift-Enter**. Run the cells in order, from the top.
# While a cell is running, the mark in front of it is `[*]`.
#
# Sometimes you are asked for a prediction. Write it down before you run the next cell.
# A wrong guess is worth more than none: it is the place where you learn something.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## A small app
#
# The next cell is a whole file. Its first line says what to do with it:
# save it as `tea.py` beside this notebook, and serve its `app`. When the course names a line by number, `%%app ...` is line 1.
# The app runs in a process of its own, as it would in production.
#
# A cup of tea takes 0.2 seconds here. `{cup}` in the path is a part that the guest chooses:
# a request for `/tea/7` calls `tea(7)`. Read the file once, then run the cell.

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
# Let us ask for one cup. `{i}` in the path of a race stands for the number of the request, here 1.
# The picture below the cell is drawn while you wait. We come back to its lower half in a moment.

# %%
one = await lab.race("/tea/{i}", n=1, title="one cup")
print("The answer was", one.requests[0].body)

# %% [markdown]
# ## Ten at once
#
# Now ten people ask for a cup at the same moment.
# There is one app, and one thread in it that answers. Each cup still takes 0.2 seconds.
#
# How many seconds until the last of them has their tea?
# Put your number in the place of `None`, or leave it as it is.
# Your guess stays in its cell. Later it appears beside what was measured, and as a dashed line in the picture.

# %%
guess = lab.predict("all ten cups together", None, "s")

# %%
healthy = await lab.race("/tea/{i}", n=10, title="ten cups", prediction=guess)
guess.beside(healthy.seconds)
print(f"All ten together took {healthy.ratio:.1f} times as long as the quickest.")

# %% [markdown]
# Ten requests that are sent together are called a **race**.
# The picture is its **timeline**. Time runs from left to right.
#
# - Each **blue bar** is one request. It begins when the request is sent and ends when its answer has arrived.
#   The rows are sorted by answer: the first to arrive is at the top, whatever its number.
#   If all requests were sent to the same place, here `/tea/` and a number, the rows are called *answer 1*, *answer 2* and so on.
#   A bar that is grey and crossed is a request that failed, or that was turned away. The number after it is the answer's status;
#   500 says that the app broke.
# - The lane **canary** belongs to a helper of ours. During the race it sends one tiny request after another,
#   and each asks for nothing but a quick sign of life. A mark that is short compared with the bars means: that sign came quickly.
#   A canary that waits longer than 0.05 seconds is drawn dotted and yellow. Miners took canaries
#   underground for the same reason: the birds were the first to show that the air was bad.
# - The lane **event loop** stands for the one thread of the app. It is plain and says *free*
#   as long as that thread is ready for the next thing to do.
#
# On a machine that is busy with other programs the lane may be hatched even so. *In the queue for a CPU* means:
# the thread was ready to go on, but the machine let another program go first. A stretch that was mostly that is drawn pale,
# and no line is named, because none is to blame. And if the lane says *never blocked for long, but busy*, no stretch was long,
# and yet a canary was late: many small things added up.
#
# All ten bars cover the same stretch of time: nobody waited for anybody else.
#
# ## The same app, one line changed
#
# Here is the app again. The endpoint is the same, letter for letter.
# One line of code is different, and so is the import that it needs. Find that line before you run the cell.

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
# Ask for one cup, as before, but this time without the picture. You see what a browser would tell you:
# the answer, and how long it took.
#
# A race goes to the app that was served last. To go back to an earlier app, run its `%%app` cell first.

# %%
one_hasty = await lab.race("/tea/{i}", n=1, show=False)
print(f"One cup took {one.seconds:.2f} s before and takes {one_hasty.seconds:.2f} s now. The answer was", one_hasty.requests[0].body)

# %% [markdown]
# The right answer, and no slower. If this were your test, you would ship it.
#
# Now ten at once. Under the picture of this race, both races are drawn once more on the same scale.

# %%
sick = await lab.race("/tea/{i}", n=10, title="ten cups")
lab.side_by_side(healthy, sick, titles=("healthy", "sick"))

# %% [markdown]
# On the right, three things are different. Look for each of them.
#
# - The bars form a **staircase**. Every bar begins at the left edge, because all ten were sent together.
#   But each ends one step after the one above it. That is what a queue looks like.
# - The lane of the event loop is **hatched**. In a hatched stretch the thread was held by one piece of code
#   and could do nothing else. We say that the loop was **blocked**. The words below the lane name the line.
#   (It can be a line with `await`, too: whatever runs before the wait begins is ordinary work.)
# - The **canary** had to wait. It asked for nothing that takes time. It suffered because it came to the same app.
#
# The next cell takes these facts from the race and puts them into words.

# %%
worst = sick.worst_block
print(f"Ten cups took {sick.ratio:.1f} times as long as the quickest; before it was {healthy.ratio:.1f} times.")
print(f"The loop was {sick.lane}, most of it by {worst.cause}.")
print(f"A canary waited {sick.worst_canary:.2f} s; before, the slowest waited {healthy.worst_canary:.2f} s.")

# %% [markdown]
# ## What an event loop is
#
# The app's thread keeps a list of things that can be done now: read a request, go on with an endpoint, send an answer.
# It takes the first, does it, takes the next, and so on, round and round. This is the **event loop**.
#
# `await asyncio.sleep(0.2)` says: *I have nothing to do for a while. Wake me in 0.2 seconds.*
# The loop notes the time and goes on with the next request.
#
# `time.sleep(0.2)` says: *this thread does nothing for 0.2 seconds.*
# The thread is the loop. So the loop does nothing, for anybody.
#
# How late the loop gets to a thing that is due is called **loop lag**. It is given in milliseconds.
# Whatever becomes due in the middle of a blocked stretch has to wait for its end. So the longest hatched stretch
# of the lane is the lag that an unlucky visitor meets. The lab leaves out stretches under 20 milliseconds.

# %%
print(f"Worst loop lag: {sick.loop_lag:.0f} ms in hasty_tea.py, {healthy.loop_lag:.0f} ms in tea.py.")

# %% [markdown]
# The word `async` in front of a function does not make it wait politely. What counts is the call at the very end
# of the chain. In `tea.py` the chain ends in `asyncio.sleep`, in `hasty_tea.py` in `time.sleep`.
#
# These are the words so far.
#
# | word | what it means here |
# |---|---|
# | race | requests that are sent together |
# | timeline | the picture of a race |
# | canary | a tiny request that shows whether the app still answers |
# | event loop | the one thread of the app, and its list of things to do |
# | blocked | one piece of code holds that thread; nobody else is answered |
# | loop lag | how late the loop gets to what is due, in milliseconds |
# | queue for a CPU | the thread could go on, but the machine is busy with other programs |
#
# ## This notebook runs a loop, too
#
# Behind a notebook there is also a Python process with an event loop. It receives your cells and runs them.
# That is why you could write `await` in a cell, outside any function.
#
# So a notebook can be blocked like an app. Here is a function that ticks twenty times a second, if the loop lets it.

# %%
import asyncio
import time

async def tick(ticks):
    while True:
        ticks.append("tick")
        await asyncio.sleep(0.05)


# %% [markdown]
# `asyncio.create_task` gives the call of such a function to the loop, which runs it beside everything else. It returns a **task**:
# a handle with which you can wait for it, or stop it with `cancel()`.
#
# The next cell starts the ticks and sleeps for a second, first one way, then the other.
# How many ticks do you expect from each?

# %%
blocking, polite = [], []
task = asyncio.create_task(tick(blocking))
time.sleep(1)
print(f"During time.sleep(1): {len(blocking)} ticks.")
task.cancel()

task = asyncio.create_task(tick(polite))
await asyncio.sleep(1)
print(f"During await asyncio.sleep(1): {len(polite)} ticks.")
stopped = task.cancel()  # a notebook shows what its last line returns, unless that is given a name

# %% [markdown]
# During `time.sleep` the notebook's own loop stood still, and the task with it.
# Whatever else this loop had to do stood still, too.
#
# The apps of this course live in processes of their own. A blocked cell cannot block them, and they cannot block the notebook.
#
# ## Why `asyncio.run` fails in a cell
#
# Outside notebooks, a program starts its loop with `asyncio.run(...)`. Many examples do this. Let us try it here.
# The cell catches the error and prints it.
# `close()` throws away the race that could not start.

# %%
waiting = lab.race("/tea/{i}", n=3)
try:
    asyncio.run(waiting)
except RuntimeError as error:
    print("RuntimeError:", error)
    waiting.close()

# %% [markdown]
# A thread can run one loop at a time, and this thread already runs the notebook's.
# In a cell the answer is simple: write `await` instead.
#
# But a plain `def` function cannot use `await`. Code that you bring from elsewhere may call `asyncio.run` deep inside.
# For such code there is one line. It uses the package **nest-asyncio** (from Python 3.14 on its maintained fork, nest-asyncio2;
# the original is archived). The package changes asyncio in this process so that a loop may be run inside a running one.
#
# `seconds_for` is an ordinary function, called in the ordinary way. It asks the sick app, which is still being served.

# %%
lab.allow_asyncio_run()

def seconds_for(cups):
    return asyncio.run(lab.race("/tea/{i}", n=cups, title="three cups")).seconds

three_cups = seconds_for(3)
print(f"Three cups took {three_cups:.2f} s.")

# %% [markdown]
# From now on `asyncio.run` works in this notebook. If you run the cell with the error again, you get no error any more, but a race.
#
# ## Keep that line out of your apps
#
# The change holds for a whole process. In a notebook it is handy. In an app it would hide a mistake.
#
# Here is an endpoint that makes the mistake. It starts a loop of its own while the app's loop is running.

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
print("Status:", nested.requests[0].status, "because", nested.errors[0]["message"])

# %% [markdown]
# Status 500: the server failed. That is good news, because now you know about the mistake.
#
# In a process changed by nest-asyncio the same endpoint would seem to work. You would believe that it is right,
# and meet the 500 on the day it runs somewhere else.
# That is why the course never changes a process that serves an app: `lab.allow_asyncio_run()` changes only the notebook.

# %% [markdown]
# ## What you have seen
#
# - Ten requests took about as long as one in `tea.py`, and about ten times as long in `hasty_tea.py`.
# - The two files differ in one line of code, and its import. A single request got the right answer from both, and just as quickly.
# - The timeline tells them apart: staircase or not, hatched or not, canary late or not. It also names the line.
# - The notebook has a loop, too. `await` works in a cell, `asyncio.run` only after `lab.allow_asyncio_run()`,
#   and a blocking call stops everything else in it.
#
# ## Check yourself
#
# **1.** A colleague says: *the function is `async def`, so it cannot block.* What do you answer?
#
# <details><summary>Answer</summary>
#
# The function `steep` in `hasty_tea.py` is `async def`, and it blocks. What counts is the call that waits:
# `time.sleep` holds the thread, `await asyncio.sleep` hands it back.
#
# </details>
#
# **2.** In a timeline all bars are short and of the same length, but the loop's lane is hatched at one place.
# Whom would you ask whether that did any harm?
#
# <details><summary>Answer</summary>
#
# The canary. If it was late at that place, so was every other visitor of the app.
#
# </details>
#
# ## Further reading
#
# - FastAPI, *Concurrency and async / await*: https://fastapi.tiangolo.com/async/
# - nest-asyncio: https://github.com/erdewit/nest_asyncio
# - nest-asyncio2: https://github.com/Chaoses-Ib/nest-asyncio2
#
# Next: lesson 01, *Sleeping*, in the folder `01_sleeping`.
