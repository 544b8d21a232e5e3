"""The proof for endpoints that give up after a while: by the response, the call must be over, and what it used given back.

The service holds every reply, so each request gives up. A service sees when a call has ended: its connection closes, or its
query is cancelled. A call that lasts although its request has long been answered was left running. Then the same number of
requests, which have patience, must be answered as before: what the others had used must be free again.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from autograder.judge.diagnoses import messages
from autograder.judge.evidence import samples
from autograder.judge.proofs.certificates import blocked
from autograder.judge.proofs.left_calls import lasting, leave_limit
from autograder.judge.proofs.quiescence import POLL_INTERVAL_S
from autograder.judge.proofs.requests import ANSWER_LIMIT_S, run_requests
from autograder.judge.verdict import AnswerFault, DiagnosisKind, Inconclusive, Outcome, Trial, Verdict
from autograder.lab.load_generator_client import load_generator
from autograder.programs.messages.races import Cancel

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from autograder.judge.proofs.quiescence import QuietPeriod
    from autograder.judge.spec.endpoint import CheckRequest, Endpoint
    from autograder.lab.race import Race
    from autograder.lab.server import Server
    from autograder.services import Service

FIRST_PATIENCE_S = 0.3  # s after which the requests of the first trial give up
MAX_PATIENCE_S = 4.8  # s, the same in later trials, at most: on a busy machine a call takes long to reach the service
OVERDUE_S = 2.0  # s beyond its patience that a request gets for its response, with a loop that answers canaries
# races of requests that give up, so that what they don't give back adds up to all of the 50 connections that an app may have
ROUNDS = 5
# share of the patience within which all calls must have come, or the trial proves nothing: an app that starts a program a second
# time when half of the patience is over may have killed the first one before it was seen
SEEN_SHARE = 1 / 3
IN_TIME_SHARE = 0.2  # share of its patience for which a request waits whose reply comes in time
# s in which no request is answered, with a loop that answers canaries, after which the others are waiting for good
GIVEN_BACK_S = 3.0
ASK_LIMIT_S = 60.0  # s: the watch ends the race before
# s that all trials together may take beyond what their requests wait before they give up. Each wait of a trial has a limit of
# its own, but an app that comes close to all of them in all trials kept the judge busy for ten minutes.
SLACK_S = 60.0


class GivingUp:
    """Trials in which requests to ``endpoint`` give up.

    ``calls_for(count, patience, in_time)`` makes new calls, and ``quiet_period(race, seconds)`` the measure of a wait for nothing.
    """

    def __init__(
        self,
        app: Server,
        endpoint: Endpoint,
        service: Service,
        calls_for: Callable[[int, float | None, bool], Coroutine[Any, Any, list[CheckRequest]]],
        quiet_period: Callable[[Race, float], QuietPeriod],
        poll_call: str | None,
    ) -> None:
        self.app = app
        self.endpoint = endpoint
        self.service = service
        self.calls_for = calls_for
        self.quiet_period = quiet_period
        self.poll_call = poll_call
        self.patience = FIRST_PATIENCE_S
        self._trials = 0
        self._spent_s = self._waits_s = (
            0.0  # in all trials: how long they took, and how long their requests had to wait
        )
        self._wanted: set[str] = set()  # the tokens of the newest race
        self._seen: set[str] = set()  # those whose call was held
        self._seen_after_s = 0.0  # how long the newest race's calls took to be held
        self._overdue = False
        self._unanswered: list[int] = []  # the numbers of the newest race's requests without a response

    async def trial(self, gathering_s: float) -> Trial:
        """Let requests give up, and then send as many as one race has that don't. Raises `AnswerFault` and `Inconclusive`.

        ``gathering_s`` is how long the calls of a race have lately taken to reach the service, in seconds.
        """
        began = time.monotonic()
        try:
            return await self._trial(gathering_s, began)
        finally:
            self._spent_s += time.monotonic() - began

    def _check_time(self, began: float) -> None:
        """Raise `Inconclusive` if the trials, of which the newest ``began`` then, have taken too long altogether."""
        late_s = self._spent_s + time.monotonic() - began - self._waits_s
        if late_s > SLACK_S:
            raise Inconclusive(messages.slow_to_give_up(late_s))

    async def _trial(self, gathering_s: float, began: float) -> Trial:
        self.patience = min(max(self.patience, 2 * gathering_s), MAX_PATIENCE_S)
        limit = leave_limit(self._trials)
        self._trials += 1
        self._check_time(began)
        self._waits_s += IN_TIME_SHARE * self.patience
        if fault := await self._in_time():
            certain = self.patience >= MAX_PATIENCE_S
            self.patience = min(2 * self.patience, MAX_PATIENCE_S)
            return Trial(fault if certain else None)
        seen_all = True
        # a leak is seen when the pool is empty; a program that was started is no pool
        rounds = 1 if self.service.spawns else ROUNDS
        for number in range(rounds):
            self._check_time(began)
            self._waits_s += self.patience
            calls = await self.calls_for(self.endpoint.raced, self.patience, False)
            self._wanted = {token for call in calls for token in call.tokens}
            self._seen, self._overdue = set(), False
            self.service.hold()
            try:
                if fault := await self._race(calls):
                    if number and self._stuck(calls):
                        raise self._not_given_back(number * len(calls))
                    return Trial(fault)
                if await lasting(self.service, self._wanted, limit):
                    text = messages.left_running(self.endpoint, limit)
                    return Trial(Verdict(Outcome.FAIL, DiagnosisKind.LEFT_RUNNING, text))
            finally:
                self.service.release()
            missing = [call for call in calls if not self._seen.issuperset(call.tokens)]
            in_time = self._seen_after_s <= SEEN_SHARE * self.patience or self.patience >= MAX_PATIENCE_S
            seen_all = seen_all and not missing and in_time
            if missing and self.patience >= MAX_PATIENCE_S:
                text = messages.did_not_ask(missing[0], self.endpoint.service)
                return Trial(Verdict(Outcome.FAIL, DiagnosisKind.DID_NOT_ASK, text))
        self._check_time(began)
        await self._ask_again(rounds * len(calls))
        self.patience = min(2 * self.patience, MAX_PATIENCE_S)
        return Trial(proved=seen_all)

    async def _in_time(self) -> Verdict | None:
        """Send a request with the same patience whose reply comes in time. Return its failing `Verdict`, or None.

        Otherwise an app would pass that always gives up, whatever comes. On a busy machine the patience may end all the same.
        """
        calls = await self.calls_for(1, self.patience, True)
        hold_s = IN_TIME_SHARE * self.patience

        called = False

        async def watch(race: Race) -> None:
            nonlocal called
            since = 0.0
            while race.end is None and race.requests[0].end is None:
                if not since and self.service.held():
                    since, called = time.perf_counter(), True
                if since and time.perf_counter() - since >= hold_s:
                    self.service.release()
                    return
                await asyncio.sleep(POLL_INTERVAL_S)

        self.service.hold()
        try:
            await run_requests(
                self.app, calls, 2 * ANSWER_LIMIT_S, companion=watch, poll_call=self.poll_call, held=True
            )
        except AnswerFault as fault:
            if fault.verdict.kind != DiagnosisKind.WRONG_ANSWER:
                raise
            if not called:
                text = messages.did_not_ask(calls[0], self.endpoint.service)
                return Verdict(Outcome.FAIL, DiagnosisKind.DID_NOT_ASK, text)
            return fault.verdict
        finally:
            self.service.release()
        return None

    async def _race(self, calls: list[CheckRequest]) -> Verdict | None:
        """Send the requests, and return the failing `Verdict` if one blocks the loop or waits for the reply, else None."""

        async def watch(race: Race) -> None:
            raced.append(race)
            while race.began is None:
                await asyncio.sleep(POLL_INTERVAL_S)
            quiet = self.quiet_period(race, OVERDUE_S)
            while race.end is None and any(request.end is None for request in race.requests):
                held = self.service.held()
                if new := self._wanted.intersection(held) - self._seen:
                    self._seen |= new
                    self._seen_after_s = time.perf_counter() - race.began
                if strays := [token for token in held if token not in self._wanted]:
                    self.service.release(strays)
                if time.perf_counter() - race.began < self.patience:
                    quiet.restart()
                elif quiet.over and self._overdue:
                    load_generator().order(Cancel())  # not even the reply helps
                    return
                elif quiet.over:
                    self._overdue = True
                    self.service.release()
                    quiet.restart()
                await asyncio.sleep(POLL_INTERVAL_S)

        raced: list[Race] = []
        try:
            await run_requests(
                self.app,
                calls,
                ANSWER_LIMIT_S + self.patience + OVERDUE_S,
                companion=watch,
                poll_call=self.poll_call,
                held=True,
            )
        except AnswerFault:
            if not self._overdue:
                raise
        for race in raced:
            self._unanswered = [number for number, request in enumerate(race.requests) if request.status is None]
            if fault := blocked(race, samples.decode_samples(race), self.poll_call, self.service.computes):
                return fault
        if self._overdue:
            text = messages.waits_on(self.endpoint, self.patience)
            return Verdict(Outcome.FAIL, DiagnosisKind.ANSWERED_TOO_LATE, text)
        return None

    async def _ask_again(self, given_up: int) -> None:
        """Send requests that have patience, after ``given_up`` that had none. Raises `AnswerFault`."""

        async def watch(race: Race) -> None:
            while race.began is None:
                await asyncio.sleep(POLL_INTERVAL_S)
            quiet, before = self.quiet_period(race, GIVEN_BACK_S), 0
            while race.end is None:
                if quiet.over:
                    load_generator().order(Cancel())
                    return
                answered = sum(request.end is not None for request in race.requests)
                if answered != before:
                    before = answered
                    quiet.restart()
                await asyncio.sleep(POLL_INTERVAL_S)

        calls = await self.calls_for(self.endpoint.raced, None, False)
        try:
            await run_requests(self.app, calls, ASK_LIMIT_S, companion=watch, poll_call=self.poll_call)
        except AnswerFault as fault:
            found = fault.verdict
            if found.kind not in (DiagnosisKind.NO_ANSWER, DiagnosisKind.SERVER_ERROR):
                raise
            said = "" if found.kind == DiagnosisKind.NO_ANSWER else found.diagnosis
            raise self._not_given_back(given_up, said, found.line) from None

    def _stuck(self, calls: list[CheckRequest]) -> bool:
        """Return True if a request of the newest race got no response, not even after the release, and never called the service."""
        return any(not self._seen.intersection(calls[number].tokens) for number in self._unanswered)

    def _not_given_back(self, given_up: int, said: str = "", line: int | None = None) -> AnswerFault:
        said = said or "others got no response, although the event loop was free."
        return AnswerFault(DiagnosisKind.NOT_GIVEN_BACK, messages.not_given_back(self.endpoint, given_up, said), line)
