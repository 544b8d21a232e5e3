"""Verdicts: PASS needs a proof, FAIL needs a certificate that was confirmed, all else is ERROR."""

import asyncio
import json
import random
import re
from dataclasses import dataclass

from ..lab import races
from ..lab.racing import RacerGone
from ..lab.server import AppError, Server
from . import diagnosis, evidence

N = 4  # requests of a race: asyncio.to_thread has cpus + 4 threads, so 5 on one core
WAIT = 0.25  # s that the requests of the first trial wait
LONGEST = 4.0  # s: trials grow up to this wait when a machine is too busy to tell
TRIALS = 7
ANSWER_LIMIT = 10.0  # s beyond its wait that a request is given on its own
CONFIRM = 2  # trials that must show a fault before it is a FAIL


@dataclass(frozen=True)
class Verdict:
    """The outcome for one item: ``outcome`` is "pass", "fail" or "error", ``kind`` one of `exercise.KINDS`."""

    outcome: str
    kind: str = ""
    diagnosis: str = ""
    line: int | None = None
    trials: int = 0

    @property
    def passed(self):
        return self.outcome == "pass"


class Fault(Exception):
    """A mistake in the learner's app that needs no second look."""

    def __init__(self, kind, text, line=None):
        super().__init__(text)
        self.verdict = Verdict("fail", kind, text, line)


class Unclear(Exception):
    """This machine did not let us find out."""


class Judge:
    """Judges one file.  As an asynchronous context manager it serves the app once for all its items;
    outside one, each item has a server of its own, ended with it.

    An app that is gone is served anew for the next item, so that one item's crash does not cost another.
    """

    def __init__(self, file, endpoint):
        self.file = file
        self.endpoint = endpoint
        self._app = None
        self._kept = False
        self._refused = None

    async def __aenter__(self):
        self._kept = True
        return self

    async def __aexit__(self, *_):
        self._kept = False
        await self._stop()

    async def _stop(self):
        if self._app is not None:
            await asyncio.to_thread(self._app.stop)

    async def answers(self):
        """Verdict on right answers: fresh requests, one after the other, none answered before its wait is over."""
        # the second and third ask for the same wait: whoever keeps results from before is too early there
        return await self._judged(lambda app: _answers(app, self.endpoint, (0.05, 0.15, 0.15)))

    async def concurrency(self):
        """Verdict on concurrency: `N` requests at once, all waiting together while the loop stays free."""
        return await self._judged(lambda app: _concurrency(app, self.endpoint, TRIALS, CONFIRM))

    async def side_by_side(self):
        """The visible check: as `concurrency`, drawn in a notebook, and told at the first fault that shows."""
        return await self._judged(lambda app: _concurrency(app, self.endpoint, TRIALS, 1, show=True))

    async def _judged(self, work):
        if self._refused:
            return self._refused
        try:
            if self._app is None or not self._app.alive:
                self._app = Server(self.file)
                await asyncio.to_thread(self._app.wait_until_ready)
            return await work(self._app)
        except AppError as error:
            self._refused = Verdict("fail", "does not start", str(error), error.line)
            return self._refused
        except Fault as fault:
            return fault.verdict
        except (Unclear, RacerGone, OSError) as problem:
            return Verdict("error", "", f"No verdict: {problem}")
        finally:
            if not self._kept:
                await self._stop()


async def _answers(app, endpoint, waits):
    for wait in waits:
        call = endpoint.call(wait)
        await _race(app, [call], ANSWER_LIMIT + wait)
    return Verdict("pass", trials=1)


async def _concurrency(app, endpoint, trials, confirm, show=False):
    # threads of pools are started here, and whatever is imported on first use
    first = random.uniform(0.03, 0.05)
    await _race(app, [endpoint.call(first) for _ in range(N)], ANSWER_LIMIT)
    # a wait that was kept from before is over too early here
    await _race(app, [endpoint.call(first)], ANSWER_LIMIT)
    resting = await _resting(app)
    faults, clean, wait = [], 0, WAIT
    for trial in range(1, trials + 1):
        waits = [wait * random.uniform(1.0, 1.1) for _ in range(N)]
        calls = [endpoint.call(w) for w in waits]
        race = await _race(
            app, calls, ANSWER_LIMIT + sum(waits), show=show and trial == 1, title=endpoint.route,
        )
        found = _fault(race, calls, resting)
        if found:
            faults.append(found)
            if len(faults) == confirm:
                return _with_trials(faults[-1], trial)
        elif _proved(race, calls):
            clean += 1
            # one proof is enough, unless a trial showed something that must have been chance
            if clean > len(faults):
                return Verdict("pass", trials=trial)
        else:
            wait = min(wait * 2, LONGEST)
    raise Unclear("the machine was too busy to see the requests side by side. Try again.")


async def _resting(app):
    """The system call in which the loop thread waits while there is nothing to do but canaries."""
    idle = [{"key": 0, "method": "GET", "path": races.CANARY, "at": 0.06}]
    race = await races.run(app, idle, title="rest", limit=ANSWER_LIMIT, sample=True)
    return evidence.poller(evidence.samples(race))


def _with_trials(verdict, trials):
    return Verdict(verdict.outcome, verdict.kind, verdict.diagnosis, verdict.line, trials)


def _proved(race, calls):
    """All waited at once, and a canary was answered meanwhile."""
    return evidence.all_at_once(race, [call.wait for call in calls]) and evidence.overtaken(race) > 0


def _fault(race, calls, resting):
    """The failing `Verdict` that this race gives cause for, or None."""
    looks = evidence.samples(race)
    stalls = evidence.stalls(race, looks, resting)
    if stalls:
        named = next((stall.block for stall in stalls if stall.block is not None), None)
        line = named.line if named and named.in_app else None
        return Verdict("fail", "blocked", diagnosis.blocked(stalls, len(calls)), line)
    served = evidence.at_a_time(race, [call.wait for call in calls], looks)
    if served == 1:
        return Verdict("fail", "one at a time", diagnosis.one_at_a_time())
    if served:
        return Verdict("fail", "few at a time", diagnosis.few_at_a_time(served, len(calls)))
    return None


async def _race(app, calls, limit, show=False, title="check"):
    """Race the calls and see to it that every answer is right; raises `Fault` for the first that is not."""
    requests = [{"key": i, "method": call.method, "path": call.path} for i, call in enumerate(calls)]
    race = await races.run(app, requests, title=title, show=show, limit=limit, sample=True)
    for request, call in zip(race.requests, calls):
        _check_answer(app, race, request, call, limit)
    return race


def _check_answer(app, race, request, call, limit):
    never_awaited = re.search(r"coroutine '([\w.<>]+)' was never awaited", app.log)
    if request.status is None:
        if not app.alive or (request.error and "no answer" not in request.error):
            raise Fault("server died", diagnosis.died(call))
        looks = evidence.samples(race)
        if evidence.queued(looks, 0.0, limit) > limit / 2:
            raise Unclear("the machine was too busy to answer in time. Try again.")
        blocked = [evidence.Stall(b.seconds, "turn", b) for b in race.blocked]
        text = diagnosis.no_answer(call, limit)
        raise Fault("no answer", text + (" " + diagnosis.blocked(blocked, len(race.requests)) if blocked else ""))
    if request.status >= 500:
        error = next((e for e in race.errors if call.path.startswith(e["path"])), None)
        line = error["where"][-1]["line"] if error and error["where"] else None
        if "coroutine" in error["message"] if error else never_awaited:
            name = never_awaited.group(1) if never_awaited else "of the endpoint"
            raise Fault("missing await", diagnosis.missing_await(name), line)
        if error:
            raise Fault("server error", diagnosis.server_error(call, error), line)
    if request.status != 200:
        raise Fault("wrong answer", diagnosis.wrong_status(call, request))
    if not _equal(request.body, call.expected):
        raise Fault("wrong answer", diagnosis.wrong_body(call, request))
    if request.seconds < call.wait * 0.98:
        if never_awaited:
            raise Fault("missing await", diagnosis.missing_await(never_awaited.group(1)))
        raise Fault("answered too early", diagnosis.too_early(call, request.seconds))


def _equal(body, expected):
    try:
        return json.loads(body) == expected
    except (ValueError, RecursionError):
        return False
