"""Grading the grader: every catalogued answer gets the verdict, and the diagnosis, that it must get."""

import pytest

from autograder import paths
from autograder.judge.catalogue import catalogue, judge
from autograder.judge.exercise import load

ANSWERS = [(folder.name, answer) for folder in paths.exercises() for answer in catalogue(load(folder))]


@pytest.mark.parametrize("answer", [pytest.param(a, id=f"{lesson}/{a.label}") for lesson, a in ANSWERS])
async def test_verdict(answer):
    judged = await judge(answer)
    if judged.undecided:  # the machine was too busy: an ERROR is tried again, as in grading
        judged = await judge(answer)
    assert not judged.complaint
    if judged.concurrency.kind == "blocked":
        assert judged.concurrency.line, "a blocked loop is told with the learner's line"
