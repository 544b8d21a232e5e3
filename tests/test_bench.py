"""The bound that the benchmark prints."""

import pytest

from autograder.judge import bench


def test_bound_without_a_wrong_verdict_is_three_over_n():
    assert bench.bound(0, 1000) == pytest.approx(3 / 1000, rel=0.01)


def test_bound_grows_with_wrong_verdicts():
    # Clopper and Pearson's one-sided limit for 1 of 100 is 4.66 %
    assert bench.bound(1, 100) == pytest.approx(0.0466, abs=0.0002)
    assert bench.bound(10, 100) > 0.1


def test_unknown_exercise_is_told(capsys):
    assert bench.main(exercise="99_none") == 2
    assert "There is no exercise '99_none'" in capsys.readouterr().out


def test_hogs_end_with_the_benchmark():
    with bench.running(2):
        pass
