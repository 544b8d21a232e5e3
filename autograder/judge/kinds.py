"""Which judge a task has: each kind has its own, and all are asked for the verdict on a part of the points."""

from .findings import FindingsJudge
from .judge import Judge
from .mutation import MutationJudge
from .written import Written


def judging(file, task, served=None):
    """The judge of ``task`` for the learner's ``file``; its ``certain(part)`` gives the `Verdict` on a part."""
    if not isinstance(task, Written):
        return Judge(file, task, served)
    if task.kind == "findings":
        return FindingsJudge(file, task)
    return MutationJudge(file, task, served.jail if served else None)
