"""`./course bench drawing` distinguishes the cost of drawing from noise."""

import re

import pytest

from autograder.benchmarks import drawing


def seen(**drawn):
    """Five races of each kind, the drawn ones with some figures changed."""
    plain = [dict(all=1 + i / 100, quickest=0.1, canary=0.005 * i, blocked=1.0) for i in range(5)]
    return {
        (path, show): [{**race, **(drawn if show else {}), "frames": 11.0} for race in plain]
        for path in ("/waits", "/blocks")
        for show in (False, True)
    }


def test_drawing_cost_sets_exit_code(capsys):
    """A drawing cost beyond the noise is printed and sets the exit code."""
    assert drawing._report(seen()) == 0
    assert "more than the noise" not in capsys.readouterr().out
    assert drawing._report(seen(all=1.5)) == 1
    assert re.search(r"/waits, from the first .* 1\.471 .*more than the noise", capsys.readouterr().out)


def test_slowest_canary_is_noise(capsys):
    """It is one of hundreds, so it is the noise."""
    assert drawing._report(seen(canary=0.5)) == 0


@pytest.mark.heavy
@pytest.mark.long
def test_drawing_bench_counts_frames(capsys):
    """The benchmark runs its races and counts the frames that were drawn."""
    drawing.main(1)
    said = capsys.readouterr().out
    assert re.search(r"/blocks, the loop was blocked.* \d\.\d+", said)
    assert re.search(r"/blocks, frames a second: \d", said)
    assert re.search(r"one frame takes \d+ ms of CPU", said)
