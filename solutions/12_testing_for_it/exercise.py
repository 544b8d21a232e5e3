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
# # Exercise 12: Testing for it
#
# A colleague changes an app again and again. Write a test that fails whenever a change blocks the loop, and passes whenever it
# doesn't.
#
# **About 25 minutes.** You need lesson 12, *Testing for it*.
#
# In this exercise, your test is what's being tested. It runs against sixteen apps that you never see. Six are correct, ten aren't.
#
# | points | for |
# |---|---|
# | 5 | **correct apps**: the test passes for each of the six, however slow they are and however busy the machine is |
# | 10 | **incorrect apps**: one point for each app for which the test fails |
#
# Each app is tried twice, and a result counts only if it's the same both times. A test that fails for a correct app gets nothing, because no one trusts
# such a test for long. A test that catches fewer than half of the others gets nothing either, because passing everything is easy.
#
# The next cell loads the tools of the course.
# If the cell fails with `ModuleNotFoundError`, the notebook isn't running in the course's own Python environment:
# close it and start it with `./course lab`. After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## The apps
#
# All apps have the same two paths.
#
# - `GET /quotes/{token}` calls a supplier for the price of the token, and returns `{"item": "tea", "price": 271828}` for the token `tea`.
# - `GET /health` returns `{"ok": true}`. It calls nothing.
#
# An app is **correct** if it keeps three promises:
#
# 1. Four requests for quotes can be in progress at the same moment. (More isn't promised: the pool of `to_thread` may have only five threads.)
# 2. While they wait for the supplier, `/health` is answered.
# 3. Every request gets its own response.
#
# How long a response takes isn't promised. A correct app may be slow.
#
# Four apps are next to this notebook, two of each kind. This is one of them. Open the others as well.

# %%
print(open("incorrect_requests.py").read())

# %% [markdown]
# ## What your test can use
#
# The file `conftest.py` is next to the notebook, too. pytest reads it before your test. It has two **fixtures**,
# which a test gets by naming them as parameters.
#
# - `url`: the address of the app. It's served already, in a process of its own.
# - `supplier`: the supplier that the app calls. You can make it hold its replies.
#
# | | |
# |---|---|
# | `await supplier.hold()` | from now on, hold every reply; before that it replies at once |
# | `await supplier.arrived(4)` | wait until four calls are held; returns their tokens, or raises `TimeoutError` after ten seconds |
# | `await supplier.release()` | reply to all calls that are held; `release(1)` to the one that has waited longest |
# | `await supplier.price("tea")` | the price that the supplier returns for `tea` |
#
# A test may be `async def`. pytest runs it here with its plugin pytest-asyncio. No `@pytest.mark.asyncio` is needed.
#
# ## How long it may take
#
# pytest is started afresh for each app. One such run may take **90 seconds**, from the start of pytest to its end, with all tests in your file.
#
# - A run that isn't over by then is stopped. Your test then counts as one that never ends, and gets **no points at all**,
#   whatever it did with the other apps.
# - So every wait in your test needs a limit of its own, about ten seconds. `supplier.arrived` has one. For a client of httpx, pass
#   `timeout=10`: it gives up when nothing has arrived for ten seconds.
# - When such a limit is reached, an error is raised, and the test *fails*. For an app that isn't correct, that's what you want.
# - Don't make the limits much shorter. A correct app may take some seconds for a response, and more on a busy machine.
#   If the test fails for it, that costs all points.
#
# A test with such limits needs a few seconds for a correct app, and ten to twenty for the others. That's far below 90.
#
# <details><summary>Hint 1: a question</summary>
#
# When the supplier holds four calls at the same moment, what do you know about the app, whatever your clock says?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# A request that you await is over. What does your test have to observe *while* four requests are in progress, and how do you start a request
# without waiting for it? A blocked app doesn't respond by itself, so the client needs a limit.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# One phase per promise, in the only order that works: hold; start; promise 1 while the replies are held; promise 2 while they still are; release; promise 3. For each phase, write down which
# of the four apps that you can read, and which of the lesson's eight apps, would fail exactly there. An incorrect app that fails nowhere needs another assertion.
#
# </details>
#
# ## Your test
#
# The cell is saved as a file next to the notebook. What it holds now is the test from the beginning of the lesson.

# %% app="quotes"
# %%keep test_quotes.py

# %% [markdown]
# The next cell runs your test once against each of the four apps that you can read, all at the same time, and prints how long each run took.
# It takes as long as the slowest run: with limits of ten seconds, about a quarter of a minute. A run that is stopped after 90 seconds
# is reported as *does not end*.

# %% honest="quotes"
"""Correct apps: the test passes for every one of them, each time."""
await exercise.rehearse("quotes")
### BEGIN HIDDEN TESTS
await exercise.score("quotes", "honest")
### END HIDDEN TESTS

# %% [markdown]
# The points for the other apps come from the hidden tests alone. There is nothing to run in the next cell.

# %% blocking="quotes"
# The other apps: a point for each for which the test fails, each time.
### BEGIN HIDDEN TESTS
await exercise.score("quotes", "blocking")
### END HIDDEN TESTS

# %% [markdown]
# **What this check does not look for:** how your test is written, and how long it takes as long as each run ends within 90 seconds.
#
# ## Take it home
#
# Next to this notebook there is now `test_quotes.py`. In your own project, the test has to start the app and the supplier itself, as `test_concurrency.py` in lesson 12 does.

# %% [markdown]
# ## The whole verdict
#
# The next cell tries your test on the hidden apps, as you last saved it, and prints the points.
# That takes a minute or two, since most incorrect apps are found only when your test stops waiting for them. It isn't graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/12_testing_for_it/exercise_12_testing_for_it.ipynb`
# prints the same for the saved notebook.

# %%
await exercise.verdict()
