"""How long the proof for endpoints that give up may take altogether, with requests that only advance a clock."""

import asyncio
from types import SimpleNamespace

import pytest

from autograder.judge.decide import TRIALS
from autograder.judge.proofs import giving_up
from autograder.judge.verdict import Inconclusive

LATE_S = giving_up.OVERDUE_S - 0.1  # no request is late enough to fail


def proof(monkeypatch, late_s, again_s):
    """A proof whose races end ``late_s`` after the patience, and whose last requests take ``again_s``; and its clock."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(giving_up, "time", SimpleNamespace(monotonic=lambda: clock.now, perf_counter=lambda: clock.now))

    async def calls_for(count, patience, in_time):
        return [SimpleNamespace(tokens=["never seen"])] * count

    async def in_time():
        clock.now += giving_up.IN_TIME_SHARE * made.patience + late_s

    async def race(calls):
        clock.now += made.patience + late_s
        made._seen = set() if made.patience < giving_up.MAX_PATIENCE_S else made._wanted

    async def lasting(service, tokens, limit):
        clock.now += late_s
        return False

    async def ask_again(given_up):
        clock.now += again_s

    service = SimpleNamespace(spawns=False, hold=lambda: None, release=lambda: None)
    made = giving_up.GivingUp(None, SimpleNamespace(raced=10), service, calls_for, None, None)
    monkeypatch.setattr(giving_up, "lasting", lasting)
    made._in_time, made._race, made._ask_again = in_time, race, ask_again
    return made, clock


async def trials(made):
    return [await made.trial(0.0) for _ in range(TRIALS)]


def test_slow_app_is_bounded(monkeypatch):
    """An app that came close to each limit kept the judge busy for ten minutes, and three times that with the retries."""
    made, clock = proof(monkeypatch, LATE_S, giving_up.ASK_LIMIT_S - 1)
    with pytest.raises(Inconclusive, match="longer, all together"):
        asyncio.run(trials(made))
    assert clock.now < made._waits_s + giving_up.SLACK_S + giving_up.ASK_LIMIT_S


def test_prompt_app_has_all_trials(monkeypatch):
    """What the requests themselves wait is no delay, also on a machine that is too busy for the first trials."""
    made, clock = proof(monkeypatch, 0.5, 0.5)
    assert len(asyncio.run(trials(made))) == TRIALS and clock.now > 1.5 * giving_up.SLACK_S
