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
# A colleague will change an app, again and again. You write the test that stops them when they block the loop, and leaves them alone when
# they do not. This takes about 25 minutes. You need lesson 12, *Testing for it*.
#
# Here it is your test that is tested. It is run against sixteen apps that you never see. Six are honest, ten are not.
#
# | points | for |
# |---|---|
# | 5 | **honest apps**: the test passes for each of the six, however slow they are and however busy the machine is |
# | 10 | **the others**: a point for each for which the test fails |
#
# Each app is tried twice. Only what is the same both times counts. A test that fails for an honest app gets nothing: nobody believes
# such a test for long. And a test that sees fewer than half of the others gets nothing, because passing everything is easy.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
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
# - `GET /quotes/{token}` asks a supplier for the price of the token, and answers `{"item": "tea", "price": 271828}` for the token `tea`.
# - `GET /health` answers `{"ok": true}`. It asks nobody.
#
# An app is **honest** if it keeps three promises:
#
# 1. Four requests for quotes can be under way at the same moment. (More is not promised: the pool of `to_thread` may have only five threads.)
# 2. While they wait for the supplier, `/health` is answered.
# 3. Everyone gets the answer to their own question.
#
# How long it takes is not promised. An honest app may be slow.
#
# Four apps lie beside this notebook, two of each kind. This is one of them. Open the others as well.

# %%
print(open("blocking_requests.py").read())

# %% [markdown]
# ## What your test is given
#
# The file `conftest.py` lies beside the notebook, too. pytest reads it before your test. It has two **fixtures**:
# a test that names them as parameters gets them.
#
# - `url`: the address of the app. It is served already, in a process of its own.
# - `supplier`: the supplier that the app asks. You can make it hold its replies.
#
# | | |
# |---|---|
# | `await supplier.hold()` | from now on, keep everybody who asks waiting; before that it replies at once |
# | `await supplier.arrived(4)` | wait until four questions are held; gives their tokens, or raises `TimeoutError` after ten seconds |
# | `await supplier.release()` | reply to all that are held; `release(1)` to the one that has waited longest |
# | `await supplier.price("tea")` | the price that the supplier gives for `tea` |
#
# A test may be `async def`. pytest runs it here with its plugin pytest-asyncio. No `@pytest.mark.asyncio` is needed.
#
# ## How long it may take
#
# pytest is started anew for each app. One such run may take **90 seconds**, from the start of pytest to its end, with all tests in your file.
#
# - If a run is not over by then, it is stopped. Your test then counts as one that never ends, and gets **no points at all**,
#   whatever it did with the other apps.
# - So everything that your test waits for needs a limit of its own, of some ten seconds. `supplier.arrived` has one. A client of httpx has
#   `timeout=10`: it gives up when nothing has come for ten seconds.
# - When such a limit runs out, an error is raised, and the test *fails*. For an app that is not honest, that is just what you want.
# - Do not make the limits much shorter. An honest app may take some seconds for an answer, and more on a busy machine.
#   If the test fails for it, that costs all points.
#
# A test with such limits is done with an honest app in some seconds, and with the others in ten to twenty. That is far below 90.
#
# <details><summary>Hint 1: a question</summary>
#
# When the supplier holds four questions at the same moment, what do you know about the app, whatever your clock says?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Hold first. Then start four requests, and do not await them yet: `asyncio.create_task`. Await what must happen *while* they wait.
# Give the client a timeout of some ten seconds: a blocked app does not answer by itself.
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# await supplier.hold()
# async with httpx.AsyncClient(base_url=url, timeout=10) as client:
#     requests = [asyncio.create_task(...) for token in tokens]
#     await supplier.arrived(4)          # promise 1
#     ...                                # promise 2: a canary
#     await supplier.release()
#     ...                                # promise 3: the answers
# ```
#
# </details>
#
# ## Your test
#
# The cell is saved as a file beside the notebook. What it holds now is the test that you know from the beginning of the lesson.

# %% app="quotes"
# %%keep test_quotes.py

# %% [markdown]
# The next cell runs your test once against each of the four apps that you can read, all at the same time, and says for each how long it took.
# It takes as long as the slowest run: with limits of ten seconds about a quarter of a minute. A run that is stopped after 90 seconds
# is reported as *does not end*.

# %% honest="quotes"
"""Honest apps: the test passes for every one of them, each time."""
await exercise.rehearse("quotes")
### BEGIN HIDDEN TESTS
await exercise.score("quotes", "honest")
### END HIDDEN TESTS

# %% [markdown]
# The points for the other apps are given by the hidden tests alone. There is nothing to run in the next cell.

# %% blocking="quotes"
# The other apps: a point for each for which the test fails, each time.
### BEGIN HIDDEN TESTS
await exercise.score("quotes", "blocking")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Beside this notebook there is now `test_quotes.py`. In your own project the app and the supplier are started by the test itself.
# Lesson 12 ends with such a file.

# %% [markdown]
# ## The whole verdict
#
# The next cell tries your test on the hidden apps, as it was saved last, and says how many points it gets.
# That takes a minute or two: most apps that are not honest are found out only when your test stops waiting for them. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/12_testing_for_it/exercise_12_testing_for_it.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
