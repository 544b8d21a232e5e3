"""The judge: decides, from outside the learner's process, whether an endpoint keeps its loop free.

Reading order: `exercise` (what is asked), `trial` (one measured race), `evidence` (what a race
proves), `verdict` (the decision), `diagnosis` (the words), `checks` (what notebooks call).
"""
