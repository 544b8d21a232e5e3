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
# The town library has a web service. Readers say that it is slow. The one who wrote it has moved to another town.
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
# Some blockers are reached through two or three functions. Name the line of these three files in which the wait or the work itself stands,
# and not the lines that lead there. (To name one of those costs nothing and brings nothing.)
#
# <details><summary>Hint 1: a question</summary>
#
# Which of the endpoints hold up others? A race against each, beside the canary, tells. How do you see which line it was?
#
# </details>
#
# <details><summary>Hint 2: a pointer</summary>
#
# `race.blocked` is a list of all stretches in which the loop stood still. Each has a `place`, a `code` and `seconds`.
# An endpoint can have more than one blocker. Some work goes on after the answer. Who runs a `def` endpoint, a `def` dependency,
# a plain generator, a `def` background task?
#
# </details>
#
# <details><summary>Hint 3: a sketch</summary>
#
# ```python
# for path in ["/books/1", "/magazines/1", ...]:          # POST needs method="POST"
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
# The check says how many are right so far, and which lines it cannot read. It does not say which ones are wrong.
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
# Choose a service of your own. Which of its endpoints hold up the others? Which line is it, and which of the tools found it first?

# %% [markdown]
# ## The whole verdict
#
# The next cell says how many points your list gets, as it was saved last. It is not graded itself.
#
# In a terminal, in the folder of the course, `./course grade notebooks/11_finding_it/exercise_11_finding_it.ipynb`
# says the same of the notebook as it was saved.

# %%
await exercise.verdict()
