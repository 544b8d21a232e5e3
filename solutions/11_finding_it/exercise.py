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
# # Exercise 11: Finding it
#
# The town library has a web service, and readers report that it's slow. Its author has moved to another town.
# Which lines block its event loop? You don't need to fix anything.
#
# **About 30 minutes.** You need lesson 11, *Finding it: a runbook*.
#
# The service has three files, which are next to this notebook:
#
# | file | what |
# |---|---|
# | `library.py` | the app: its endpoints and their dependencies |
# | `desk.py` | what happens behind the desk |
# | `journal.py` | its journal, and how it serialises long lists |
#
# Double-click a file in the list on the left to open it. Don't change the files, because lines are counted as they are now.
#
# The next cell loads the tools of the course, and starts the supplier that the library calls for prices.
# If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
# close it and start it with `./course lab`. After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## The task
#
# **A blocker** is a line that holds the event loop while it waits or computes, for 20 milliseconds or more, each time it is reached.
# A line that waits in a thread isn't a blocker. Neither is a slow line that runs before the service accepts requests.
#
# There are nine. Each is worth one point. Each line that you name although it doesn't block **costs** one point, so guessing doesn't help.
#
# ### Which line counts
#
# - **One function calls another, which calls a third.** Follow the calls as long as they stay in these three files. The line that counts is
#   the last of them: the wait or the computation itself, or the call into a package or into Python that waits or computes.
#   The lines above it only lead there. Naming one of those costs nothing and earns nothing.
# - **One exchange with another service may take several lines.** One line sends the request and waits, another only reads what has arrived. Both lines look as if they wait, but only one blocks the loop, and the code doesn't say which: that depends on whether the service is slow
#   before its response begins, or in the middle of it. A stack shows which line it is. Naming the other line costs a point.
# - **One line starts something, and another waits until it's done.** The line that waits is the blocker.
# - **Entering a `with` can take long.** Then the `with` line is the blocker, and not what is inside.
#
# ## Look from outside
#
# The service runs in a process of its own, as in production. You have its URL and its process ID, which is all that you'd have in an incident.
# (In this notebook a race of the lab doesn't name lines: your own services have no lab around them.)
#
# `probe` sends three requests together and a canary at the same time, and prints how long the slowest canary waited. It keeps watching for a moment after the
# last response. Some endpoints expect `POST`; `library.py` says which. Requested with the wrong method, an endpoint returns status 405, does nothing and looks innocent.

# %%
import asyncio
import time
import httpx

app = lab.serve("library.py")
print(f"The library runs at {app.url}, process {app.pid}.")

async def probe(path, method="GET"):
    """Send three requests together; return the longest wait of a canary, in seconds."""
    async with httpx.AsyncClient(base_url=app.url, timeout=30) as client:
        pending = {asyncio.create_task(client.request(method, path)) for _ in range(3)}
        slowest, stop = 0.0, None
        while stop is None or time.perf_counter() < stop:
            began = time.perf_counter()
            await client.get("/canary")
            slowest = max(slowest, time.perf_counter() - began)
            if stop is None and all(request.done() for request in pending):
                stop = time.perf_counter() + 0.3
        statuses = [request.result().status_code for request in pending]
    print(f"{method} {path}: status {statuses}, the slowest canary waited {1000 * slowest:.0f} ms")
    return slowest

slowest = await probe("/books/7")

# %% [markdown]
# That says *which endpoint*. For *which line* you need the tools of the lesson. Here are two that apply:
#
# - a stack from outside, at the right moment: `py-spy dump --pid ...`, in a terminal or with the functions of the lesson. Keep requests coming while it reads;
# - a watchdog inside: a small file of your own that imports `app` from `library` and adds the lesson's `stack_watchdog.py`. This works where py-spy isn't permitted.
#
# <details><summary>Hint 1: a question</summary>
#
# Which of the endpoints delay a canary? Probe each one. Some endpoints can't delay it, whatever they call: where does Starlette run a `def` endpoint, a `def` dependency,
# a plain generator, a `def` background task?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# An endpoint can have more than one blocker, and one of them may run after the response. If two stacks of the same endpoint differ, both lines may be right.
# If a canary waits a few hundredths of a second, and only once, the machine may have caused it.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# For each endpoint that delays the canary: keep ten requests in flight in a task, take five stacks, and keep the innermost frame in `library.py`, `desk.py` or `journal.py` of each.
# Or serve a second file whose lifespan writes the stacks, with a limit well below the shortest block that you measured, and read its log. The library has a lifespan of its own,
# so enter it in yours.
#
# </details>
#
# The next cell prints a part of a file with its line numbers.

# %%
def show(name, first=1, last=40):
    with open(name) as file:
        for number, line in enumerate(file, 1):
            if first <= number <= last:
                print(f"{number:4}  {line}", end="")

show("library.py", 45, 57)

# %% [markdown]
# ## Your findings
#
# One finding per line: file, colon, line number, and then the call that you mean. Everything after a `#` is a comment.
# The cell is saved as a file and read as text. Nothing in it is run.

# %% app="findings"
# %%keep findings.txt

# %% [markdown]
# The check says which lines it can't read, and which don't hold the call that you name. It doesn't know
# whether a line blocks: measure the endpoint to find out. The grade says how many are right.
# Run the cell above before it, each time.

# %% found="findings"
# Blocker by blocker: a point for each that is named, one less for each line that doesn't block.
await exercise.check_list("findings")
### BEGIN HIDDEN TESTS
await exercise.score("findings", "found")
### END HIDDEN TESTS

# %% [markdown]
# **What this check does not look for:** how you found a line, and what you would write instead.
#
# ## Take it home
#
# Choose a service of your own; lesson 14 says how to serve it here. Which of its endpoints delay the others? Which line is it, and which of the
# tools found it first?

# %% [markdown]
# ## The whole verdict
#
# The next cell prints the points for your list as you last saved it. It isn't graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/11_finding_it/exercise_11_finding_it.ipynb`
# prints the same for the saved notebook.

# %%
await exercise.verdict()
