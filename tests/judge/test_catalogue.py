"""Grading the grader: every catalogued answer gets the verdict, and the diagnosis, that it must get."""

from pathlib import Path

import pytest
from selection import ONE_IN, changed, chosen

from autograder import paths
from autograder.judge.catalogue.catalogue import catalogue, judge
from autograder.judge.spec.exercise import load

ENDS_ONE_IN = 6  # of the references and starters, where a run tests a part of the catalogue
ANSWERS = [(folder.name, answer) for folder in paths.exercises() for answer in catalogue(load(folder))]


def label(pair):
    lesson, answer = pair
    return f"{lesson}/{answer.label}"


def ends(pair):
    """True for a reference or a starter."""
    return pair[1].kind in ("reference", "starter")


def just_changed(pair):
    """True for an answer that the newest commit or the working tree has changed."""
    lesson, answer = pair
    names = {Path(path).name for path in changed() if path.startswith(f"solutions/{lesson}/")}
    return Path(answer.file).name in names


def part(pairs, one_in):
    """The answers that a run tests where it tests one in so many: more of the references and starters than of the others."""
    first = chosen([pair for pair in pairs if ends(pair)], label, min(one_in, ENDS_ONE_IN), just_changed)
    rest = chosen([pair for pair in pairs if not ends(pair)], label, one_in, just_changed)
    return [pair for pair in pairs if pair in first or pair in rest]


def test_share_has_references_and_starters(monkeypatch):
    """A share of the catalogue has references, starters and others, and whatever was changed."""
    assert part(ANSWERS, 1) == ANSWERS
    few = part(ANSWERS, 48)
    assert {"reference", "starter"} < {answer.kind for _, answer in few} and len(few) < len(ANSWERS) / 6
    lesson, answer = left_out = next(pair for pair in ANSWERS if pair not in few)
    name = Path(answer.file).name
    monkeypatch.setitem(globals(), "changed", lambda: {f"solutions/{lesson}/answers/{name}"})
    assert left_out in part(ANSWERS, 48)


@pytest.mark.parametrize("answer", [pytest.param(pair[1], id=label(pair)) for pair in part(ANSWERS, ONE_IN)])
async def test_verdict(answer, grading_sandbox):
    """Judged as in grading, in the best sandbox that the machine offers."""
    judged = await judge(answer, sandbox=grading_sandbox)
    if judged.undecided:  # the machine was too busy: an ERROR is tried again, as in grading
        judged = await judge(answer, sandbox=grading_sandbox)
    assert not judged.complaint
    assert not judged.undecided, f"in a class this would wait for a person: {judged.answers} {judged.concurrency}"
    if judged.concurrency.kind == "blocked":
        assert judged.concurrency.line, "a blocked loop is told with the learner's line"
