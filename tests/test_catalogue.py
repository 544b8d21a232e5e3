"""Grading the grader: every catalogued answer gets the verdict, and the diagnosis, that it must get."""

import hashlib
import os
import subprocess

import pytest

from autograder import paths
from autograder.judge.catalogue import catalogue, judge
from autograder.judge.exercise import load

ANSWERS = [(folder.name, answer) for folder in paths.exercises() for answer in catalogue(load(folder))]
# All of them take about as long as all other tests together.  `./course test` takes each reference, each starter and a
# share of the others, another share with each commit; this file by its name takes all (README, "Two commands").
SHARE = int(os.environ.get("COURSE_CATALOGUE_SHARE", "1"))


def commit():
    """The commit that is tested, by which the share is chosen; nothing where there is no git."""
    try:
        return subprocess.run(["git", "rev-parse", "HEAD"], cwd=paths.ROOT, capture_output=True, text=True).stdout
    except OSError:
        return ""


def chosen(answers, share=SHARE):
    seed = commit()
    return [
        (lesson, answer)
        for lesson, answer in answers
        if answer.kind in ("reference", "starter")
        or hashlib.sha256(f"{seed}{lesson}{answer.label}".encode()).digest()[0] % share == 0
    ]


def test_a_share_leaves_out_no_reference_and_no_starter():
    part, everything = chosen(ANSWERS, 3), chosen(ANSWERS, 1)
    assert everything == ANSWERS and len(part) < len(ANSWERS) / 2
    ends = [pair for pair in ANSWERS if pair[1].kind in ("reference", "starter")]
    assert all(pair in part for pair in ends)


@pytest.mark.parametrize("answer", [pytest.param(a, id=f"{lesson}/{a.label}") for lesson, a in chosen(ANSWERS)])
async def test_verdict(answer):
    judged = await judge(answer)
    if judged.undecided:  # the machine was too busy: an ERROR is tried again, as in grading
        judged = await judge(answer)
    assert not judged.complaint
    if judged.concurrency.kind == "blocked":
        assert judged.concurrency.line, "a blocked loop is told with the learner's line"
