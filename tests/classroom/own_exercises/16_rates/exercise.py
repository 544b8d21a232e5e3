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
# # Exercise 16: Rates
#
# Two endpoints, in the order of your variant.

# %%
from autograder import lab
from autograder.judge import checks
# %load_ext autograder.lab
exercise = checks.here()

# %% [markdown]
# ## The <<key>>
#
# `GET /<<path>>/{number}` returns the <<key>>, and times = <<factor>>.

# %% app="rate"
# %%app rate.py

# %% answers="rate"
await exercise.answers("rate")

# %% concurrency="rate"
await exercise.race("rate")
### BEGIN HIDDEN TESTS
await exercise.concurrency("rate")
### END HIDDEN TESTS

# %% [markdown]
# ## The stock
#
# `GET /stock/{number}` returns what's in stock.

# %% app="stock"
# %%app stock.py

# %% answers="stock"
await exercise.answers("stock")

# %% concurrency="stock"
await exercise.race("stock")
### BEGIN HIDDEN TESTS
await exercise.concurrency("stock")
### END HIDDEN TESTS

# %% [markdown]
# ## The whole verdict

# %%
await exercise.verdict()
