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
# The town library has a web service. Readers say that it is slow. The person who wrote it has moved to another town.
# You are to say which lines block its loop. You need not repair anything. This takes about 30 minutes. You need lesson 11, *Finding it*.
#
# The service has three files, and they lie beside this notebook:
#
# | file | what |
# |---|---|
# | `library.py` | the app: its endpoints and what they depend on |
# | `desk.py` | what is done behind the desk |
# | `journal.py` | its journal, and how it writes long lists |
#
# Double-click on a file in the list on the left to open it. Do not change the files: lines are counted as they are given.
#
# The next cell brings in the tools of the course, and starts the supplier that the library asks for prices.
# If the cell says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`. After a restart of the kernel, run this first cell again.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## The task
#
# **A blocker** is a line that holds the event loop while it waits or computes: for 20 milliseconds or more, each time that it is reached.
# A line that waits in a thread is none. Nor is a line that takes its time before the service is open.
#
# There are nine. Each is worth one point. Each line that you name and that blocks nobody **costs** one point, so guessing does not help.
#
# ### Which line counts
#
# - **One function calls another, and that one a third.** Follow the calls as long as they stay in these three files. The line that counts is
#   the last of them: there the wait or the work itself stands, or the call into a package or into Python that waits or works.
#   The lines above it only lead there. Naming one of those costs nothing and earns nothing.
# - **Several lines may belong to one question.** One asks and waits, another only picks up what has come. Both look as if they waited,
#   but only one of them holds the loop. Which one is not in the code: it depends on whether the other side takes its time before its answer
#   begins, or in the middle of it. So do not guess: a race names it. Naming the other costs a point.
# - **A line starts something, and another waits for its end.** The one that waits is the blocker.
# - **Entering a `with` can take long.** Then the `with` line is the blocker, and not what stands inside.
#
# ### How to look
#
# `race = await lab.race(path, n=3)` sends three requests together, and `race.blocked` is the list of all stretches in which the loop stood still.
# Each stretch has
#
# | | |
# |---|---|
# | `place` | where the loop's thread stood: line, function and file. It is the last of these files' own lines on the way, as above |
# | `code` | what is written in that line |
# | `seconds` | how long it stood there; one stretch may hold more than one of the three requests |
#
# Some endpoints are asked with `POST` and not with `GET`; `library.py` says which. For them write `lab.race(path, n=3, method="POST")`.
# Asked in the wrong way an endpoint answers with status 405, does nothing, and looks innocent.
#
# <details><summary>Hint 1: a question</summary>
#
# Which of the endpoints hold up others? A race against each, beside the canary, tells. Which line does it name, and do you see why that one?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# Print `race.blocked` for each endpoint, and for those with `POST` as well. An endpoint can have more than one blocker.
# Some work goes on after the answer. Who runs a `def` endpoint, a `def` dependency, a plain generator, a `def` background task?
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# for path in ["/books/1", "/magazines/1", ...]:          # and once more for those with method="POST"
#     race = await lab.race(path, n=3, show=False)
#     for block in race.blocked:
#         print(path, block.place, block.code, round(block.seconds, 3))
# ```
#
# Then read the lines around each place. A block of a few hundredths of a second that you see only once may be the machine.
#
# </details>
#
# ## Look around
#
# The service is started here. Race it, point the tools of the lesson at it, add cells as you like.

# %%
app = lab.serve("library.py")
race = await lab.race("/books/7", n=4)

# %% [markdown]
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
# One finding a line: file, colon, line number, and then the call that you mean. What follows a `#` is yours.
# The cell is saved as a file and read as text. Nothing in it is run.

# %% app="findings"
# %%keep findings.txt

# %% [markdown]
# The check says which lines it can't read, and which don't hold the call that you name. Whether a line blocks, it doesn't
# know: race the endpoint and see. The grade says how many are right.
# Run the cell above before it, each time.

# %% found="findings"
# Blocker by blocker: a point for each that is named, one less for each line that blocks nobody.
await exercise.look("findings")
### BEGIN HIDDEN TESTS
await exercise.score("findings", "found")
### END HIDDEN TESTS

# %% [markdown]
# ## To take home
#
# Choose a service of your own; lesson 14 says how to serve it here. Which of its endpoints hold up the others? Which line is it, and which of the
# tools found it first?

# %% [markdown]
# ## The whole verdict
#
# The next cell says how many points your list gets, as it was saved last. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/11_finding_it/exercise_11_finding_it.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
