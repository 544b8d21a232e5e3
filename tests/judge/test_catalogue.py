"""Grading the grader: every catalogued answer gets the verdict, and the diagnosis, that it must get."""

from pathlib import Path

import pytest
from selection import changed, chosen

from autograder import paths
from autograder.judge.catalogue.catalogue import catalogue, judge
from autograder.judge.spec.exercise import load

ANSWERS = [(folder.name, answer) for folder in paths.exercises() for answer in catalogue(load(folder))]


def label(pair):
    lesson, answer = pair
    return f"{lesson}/{answer.label}"


def always(pair):
    """True for each reference and each starter, and for an answer that has just been changed."""
    lesson, answer = pair
    just_changed = {Path(path).name for path in changed() if path.startswith(f"solutions/{lesson}/")}
    return answer.kind in ("reference", "starter") or Path(answer.file).name in just_changed


def test_share_keeps_references_and_starters():
    """A share of the catalogue leaves out no reference and no starter, and another part with another label."""
    part, everything = chosen(ANSWERS, label, 3, always), chosen(ANSWERS, label, 1, always)
    assert everything == ANSWERS and len(part) < len(ANSWERS) / 2
    ends = [pair for pair in ANSWERS if pair[1].kind in ("reference", "starter")]
    assert all(pair in part for pair in ends)
    assert chosen(ANSWERS, lambda pair: label(pair)[::-1], 3, always) != part


@pytest.mark.parametrize(
    "answer", [pytest.param(pair[1], id=label(pair)) for pair in chosen(ANSWERS, label, always=always)]
)
async def test_verdict(answer):
    judged = await judge(answer)
    if judged.undecided:  # the machine was too busy: an ERROR is tried again, as in grading
        judged = await judge(answer)
    assert not judged.complaint
    if judged.concurrency.kind == "blocked":
        assert judged.concurrency.line, "a blocked loop is told with the learner's line"
