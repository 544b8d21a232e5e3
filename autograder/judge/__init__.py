"""The judge: decides, from outside the learner's process, whether an endpoint keeps its loop free.

Reading order: `exercise` (what is asked), `evidence` (what a race proves), `waiting` and `rendezvous` (the two kinds
of trial), `judge` (the decision), `diagnosis` (the words), `checks` (what notebooks call).
"""
