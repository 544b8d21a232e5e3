"""The bound that the benchmark prints."""

import pytest

from autograder import paths
from autograder.judge import bench, load, rivals
from autograder.judge.catalogue import catalogue, judge
from autograder.judge.exercise import load as load_exercise


def test_bound_without_a_wrong_verdict_is_three_over_n():
    assert bench.bound(0, 1000) == pytest.approx(3 / 1000, rel=0.01)


def test_bound_grows_with_wrong_verdicts():
    # Clopper and Pearson's one-sided limit for 1 of 100 is 4.66 %
    assert bench.bound(1, 100) == pytest.approx(0.0466, abs=0.0002)
    assert bench.bound(10, 100) > 0.1


def test_unknown_exercise_is_told(capsys):
    assert bench.main(exercise="99_none") == 2
    assert "There is no exercise '99_none'" in capsys.readouterr().out


def test_every_answer_is_judged_once_a_round_on_several_workers():
    answers = [a for a in catalogue(load_exercise(paths.SOLUTIONS / "02_calling_http")) if a.kind == "reference"]
    judged = bench._trials(answers, 2, float("inf"), False, 2)
    assert sorted(trial.answer.label for trial in judged) == sorted([answer.label for answer in answers] * 2)
    assert not any(trial.complaint for trial in judged if not trial.undecided)
    assert bench._trials(answers, 1, 0.0, False, 2) == []


def test_hogs_end_with_the_benchmark():
    with load.hogs(2) as nothing:
        assert nothing is None


def test_a_quota_that_cannot_be_set_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(load, "VERSION_2", tmp_path / "none")
    monkeypatch.setattr(load, "VERSION_1", tmp_path / "none")
    assert bench.main(exercise="01_sleeping", quota=20) == 2
    assert "Leave out --quota." in capsys.readouterr().out


async def test_a_blocking_app_and_an_honest_one_are_told_apart_by_the_ratio():
    """The rules of others are really applied: at rest they know the starter from the reference."""
    answers = {answer.label: answer for answer in catalogue(load_exercise(paths.SOLUTIONS / "02_calling_http"))}
    honest = await judge(answers["price/reference"], rivals.rivals)
    faulty = await judge(answers["price/starter"], rivals.rivals)
    assert (rivals.truth(honest.answer), rivals.truth(faulty.answer)) == (True, False)
    assert set(honest.rivals) == set(rivals.RULES)
    assert honest.rivals["ratio"] and not any(faulty.rivals.values())
