"""How long the judge waits for what may never come."""

import os
import signal
import subprocess
from types import SimpleNamespace

import pytest
from helpers import until

from autograder.judge.evidence.process_tree import leaves
from autograder.judge.proofs import quiescence
from autograder.judge.proofs.quiescence import QuietPeriod
from autograder.lab.race import Canary

POLL, NAP = "232 0x5", "230 0x1"
INITIAL_QUIET_S = 0.5  # s


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test controls."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(quiescence.time, "perf_counter", lambda: clock.now)
    return clock


def race(**more):
    return SimpleNamespace(**{"began_at": 100.0, "canaries": [], "asleep": None, **more})


def test_live_loop_gets_canary_ticks(clock):
    """The patience with a loop that answers canaries is measured by the number of its canaries."""
    running = race()
    quiet = QuietPeriod(running, INITIAL_QUIET_S, POLL)
    clock.now += 0.6
    assert not quiet.over, "few canaries were answered yet"
    running.canaries = [Canary(0.01 * i, 0.01 * i + 0.005, answered=True) for i in range(quiescence.ALIVE_MIN_CANARIES)]
    assert quiet.over and quiet.alive
    quiet.restart()
    assert not quiet.over and not quiet.alive


def test_silent_loop_gets_seconds(clock):
    """A loop that answers no canaries is given seconds."""
    quiet = QuietPeriod(race(), INITIAL_QUIET_S, POLL)
    clock.now += 0.9
    assert not quiet.over
    clock.now += 0.2
    assert quiet.over and not quiet.alive


@pytest.mark.parametrize(
    ("asleep", "over"),
    [
        ((0.0, 0.25, NAP), True),
        ((0.0, 0.15, NAP), False),  # not long enough to give it up
        ((0.25, 0.49, NAP), False),  # long enough, but no longer than what came before it
        ((0.22, 0.46, NAP), True),
        ((0.0, 0.25, POLL), False),  # it waits for work
        (None, False),
    ],
)
def test_sleeping_loop_is_not_awaited(clock, asleep, over):
    """A loop that sleeps outside its poller isn't waited for."""
    quiet = QuietPeriod(race(asleep=asleep), INITIAL_QUIET_S, POLL)
    clock.now += 0.3
    assert quiet.over is over
    # where nobody knows in which call it waits for work, a sleep says nothing
    assert not QuietPeriod(race(asleep=asleep), INITIAL_QUIET_S).stuck


def test_only_recent_sleep_counts(clock):
    """Only the sleep since the last change counts."""
    running = race(asleep=(0.0, 0.3, NAP))
    quiet = QuietPeriod(running, INITIAL_QUIET_S, POLL)
    clock.now += 0.2
    quiet.restart()
    assert not quiet.stuck, "0.1 s of it were after the change"
    running.asleep = (0.0, 0.45, NAP)
    assert quiet.stuck


def test_quiet_waits_for_starved_processes(clock):
    """The quiet period begins once starved processes have had a CPU, within a limit."""
    running, under_way = race(), [True]
    quiet = QuietPeriod(running, INITIAL_QUIET_S, POLL, lambda: under_way[0])
    clock.now += 3 * INITIAL_QUIET_S
    assert not quiet.over
    under_way[0] = False
    clock.now += 0.9 * INITIAL_QUIET_S
    assert not quiet.over, "the time before does not count"
    clock.now += 1.2 * INITIAL_QUIET_S
    assert quiet.over
    under_way[0] = True
    clock.now = 100.0 + quiescence.MAX_QUIET_S
    assert quiet.over, "nobody keeps a judge waiting for ever"


@pytest.mark.linux
def test_leaf_processes_are_counted():
    """The leaves among the descendants of a process are counted."""
    with subprocess.Popen(["sh", "-c", "sleep 600 & sh -c 'sleep 600 & wait' & wait"], start_new_session=True) as shell:
        try:
            until(lambda: leaves(shell.pid) == 2)
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
    assert leaves(shell.pid) == 0
