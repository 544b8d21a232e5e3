"""The proof for endpoints that call a service after the response: in a background task, or through a log.

The service holds every reply. If all requests are answered nevertheless, their responses don't wait for the service. If all
of their calls are held at once, they wait together. Then all replies are released and one more request is sent, because
work after the response may block the loop only then.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from autograder.judge.diagnoses import messages
from autograder.judge.evidence import samples
from autograder.judge.evidence.excuses import reply_delay_excuse_s
from autograder.judge.proofs.certificates import blocked, served_in_turns
from autograder.judge.proofs.quiescence import ALIVE_MIN_CANARIES, MAX_QUIET_S, POLL_INTERVAL_S, QuietPeriod
from autograder.judge.proofs.rendezvous import RendezvousProof
from autograder.judge.proofs.requests import ANSWER_LIMIT_S, forgotten, never_awaited, run_requests
from autograder.judge.spec.endpoint import RACE_SIZE
from autograder.judge.verdict import AnswerFault, DiagnosisKind, Outcome, Trial, Verdict
from autograder.lab.race import happened

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from autograder.judge.spec.endpoint import CheckRequest
    from autograder.lab.race import Race
    from autograder.services import Service

NEXT_REQUEST_S = 0.6  # s after the others that one more request is sent, at first
WATCHED_S = 1.2  # s after the others that it's sent in one race, to catch code that blocks only now and then
WAITED_FIRST_MIN_S = (
    0.2  # s between call and response from which each request counts as one that waited for the service
)
WAITED_FIRST_MIN_CANARIES = 10  # canaries that the loop has answered in that time: it could have responded
# s, instead of `MAX_QUIET_S`, to wait for a call where Python has warned of a missing await
FORGOTTEN_BACKGROUND_AWAIT_S = 2.0


class BackgroundProof(RendezvousProof):
    """Trials of an endpoint that may respond before its ``service`` has replied."""

    proofs = 1
    judges_single = False  # a response that doesn't wait for the service proves nothing when the request is alone
    next_request_s = NEXT_REQUEST_S

    async def answers(self) -> None:
        """Send requests one after the other. Each must have called the service in the end."""
        for _ in range(3):
            calls = await self._calls(1)
            _, watch = await self._watched(calls, calls)
            if watch.missing:
                never_awaited(self.app)
                raise AnswerFault(DiagnosisKind.DID_NOT_ASK, messages.never_called(calls[0], self.endpoint.service))
            await self._check_count()
        await self._same_thing_twice()

    async def _same_thing_twice(self) -> None:
        """Request the same thing twice while the first call is held; raise `AnswerFault` if both requests make one call together."""
        (call,) = calls = await self._calls(1)
        self._expect(calls)
        later = self.endpoint.call(0.0, self.service)
        await self._watched([call, call], [call, call, later], hold=BackgroundObserver.hold_pair)
        began = time.perf_counter()
        while True:
            counts = await asyncio.to_thread(self.service.calls, call.tokens)
            if all(counts[token] >= 2 for token in call.tokens):
                return await self._check_count()
            if time.perf_counter() - began > MAX_QUIET_S:
                never_awaited(self.app)
                raise AnswerFault(DiagnosisKind.SHARED_CALL, messages.shared_call(self.endpoint))
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _hold_one_long(self, seconds: float) -> Trial:
        """Return the `Trial` of one race that is watched for longer than the others; none is run if it would be shown."""
        if seconds < WATCHED_S:
            return Trial(proved=True)
        before, self.next_request_s = self.next_request_s, max(self.next_request_s, WATCHED_S)
        try:
            return await self._meeting(RACE_SIZE, False)
        finally:
            self.next_request_s = before

    async def _meeting(self, count: int, show: bool) -> Trial:
        calls = await self._calls(count)
        race, watch = await self._watched(calls, [*calls, self.endpoint.call(0.0, self.service)], show)
        if fault := blocked(race, samples.decode_samples(race), self.poll_call):
            return Trial(fault)
        if watch.missing:
            never_awaited(self.app)
            first_unasked_call = next(call for call in calls if watch.missing.intersection(call.tokens))
            return Trial(
                Verdict(
                    Outcome.FAIL,
                    DiagnosisKind.DID_NOT_ASK,
                    messages.never_called(first_unasked_call, self.endpoint.service),
                )
            )
        if fault := await self._called_too_often():
            return Trial(fault)
        if watch.in_turns:
            return Trial(served_in_turns(watch.together, count))
        if self.endpoint.responds_first and not watch.ahead:
            if watch.alive:
                text = messages.waits_for_the_service(self.endpoint)
                return Trial(Verdict(Outcome.FAIL, DiagnosisKind.WAITS_FOR_THE_SERVICE, text))
            self.patience = min(self.patience * 2, MAX_QUIET_S)
            return Trial()
        if self.endpoint.responds_first and (seconds := watch.waited_first_s(race)) >= WAITED_FIRST_MIN_S:
            text = messages.waits_for_a_while(self.endpoint, seconds)
            return Trial(Verdict(Outcome.FAIL, DiagnosisKind.WAITS_FOR_THE_SERVICE, text))
        if (watch.ahead or watch.all_met) and watch.seen_through(race):
            return Trial(proved=True)
        self.patience = min(self.patience * 2, MAX_QUIET_S)
        self.next_request_s *= 2
        return Trial()

    async def _watched(
        self,
        calls: list[CheckRequest],
        requested: list[CheckRequest],
        show: bool = False,
        hold: Callable[[BackgroundObserver, Race], Coroutine[Any, Any, None]] | None = None,
    ) -> tuple[Race, BackgroundObserver]:
        observer = BackgroundObserver(
            self.service, calls, self.patience, self.poll_call, lambda: any(forgotten(self.app))
        )
        self.service.hold()
        try:
            race = await run_requests(
                self.app,
                requested,
                ANSWER_LIMIT_S + 2 * MAX_QUIET_S + self.next_request_s,
                title=self.endpoint.route,
                show=show,
                companion=partial(hold or BackgroundObserver.hold, observer),
                poll_call=self.poll_call,
                mixed=len(requested) > len(calls),  # a later request can't be compared with the others
                at=[0.0] * len(calls) + [self.next_request_s] * (len(requested) - len(calls)),
            )
        finally:
            self.service.release()
        return race, observer


class BackgroundObserver:
    """Holds the calls that the requests of one race make after their responses, and records what it saw.

    ``ahead``: all requests were answered before any reply was released. ``all_met``: all their calls were held at one
    moment. ``missing``: the tokens of calls that never came. ``in_turns``: the requests weren't answered, and each new call
    came only after a reply had been released, although the loop was alive; ``together`` is the largest number of calls
    that were held at once. ``alive``: the loop answered canaries while all calls were held and no new one came.
    ``await_forgotten()`` returns whether Python has warned of a missing await: then missing calls are unlikely to come.
    """

    def __init__(
        self,
        service: Service,
        calls: list[CheckRequest],
        patience: float,
        poll_call: str | None,
        await_forgotten: Callable[[], bool],
    ) -> None:
        self.service = service
        self.poll_call = poll_call
        self.requests = len(calls)
        self.wanted = {token for call in calls for token in call.tokens}
        self.patience = patience
        self.await_forgotten = await_forgotten
        self.ahead = self.all_met = self.in_turns = self.alive = False
        self.together = 0
        self.seen: set[str] = set()
        self.calls = calls
        self.called_at: dict[str, float] = {}  # when each token came to the service, in seconds since the race began
        self.began = 0.0
        self.released: float | None = None

    @property
    def missing(self) -> set[str]:
        """The tokens that the service hasn't been called for yet."""
        return self.wanted - self.seen

    def seen_through(self, race: Race) -> bool:
        """Return True if the loop was watched for a while after everything was released, and all the time until then."""
        return sum(c.answered and c.start >= happened(self.released) for c in race.canaries) >= ALIVE_MIN_CANARIES

    def waited_first_s(self, race: Race) -> float:
        """Return for how many seconds each request waited at least between call and response, although the loop was free."""
        seen = samples.decode_samples(race)
        late = []
        for call, request in zip(self.calls, race.requests, strict=False):
            came = [self.called_at[token] for token in call.tokens if token in self.called_at]
            if request.end is None or not came:
                return 0.0
            start = max(came)
            ticks = sum(c.answered and c.start >= start and c.ended_at <= request.end for c in race.canaries)
            delay = request.end - start - reply_delay_excuse_s(race, seen, start, request.end)
            late.append(delay if ticks >= WAITED_FIRST_MIN_CANARIES else 0.0)
        return min(late, default=0.0)

    async def hold(self, race: Race) -> None:
        """Run during a race, until all calls have come and are released."""
        while race.began is None:
            await asyncio.sleep(POLL_INTERVAL_S)
        self.began = race.began
        self.alive = alive = await self._quiet(race, lambda: self.all_met and self._answered(race))
        self.ahead = self._answered(race)
        self.in_turns = alive and not self.ahead and not self.all_met
        began = time.perf_counter()
        while self.missing and time.perf_counter() - began < (
            FORGOTTEN_BACKGROUND_AWAIT_S if self.await_forgotten() else MAX_QUIET_S
        ):
            if held := self._observe():
                self.service.release(self.service.held()[:1])
                await self._quiet(race, partial(self._new_calls, held))
            else:
                await asyncio.sleep(POLL_INTERVAL_S)
        self.released = time.perf_counter() - race.began
        self.service.release()

    async def hold_pair(self, race: Race) -> None:
        """Run beside a race of two requests for the same thing: let them go when both calls came, or no second one will."""
        while race.began is None:
            await asyncio.sleep(POLL_INTERVAL_S)
        await self._quiet(race, lambda: all(self.service.held().count(token) >= 2 for token in self.wanted))
        self.service.release()

    def _answered(self, race: Race) -> bool:
        return all(request.end is not None for request in race.requests[: self.requests])

    def _observe(self) -> set[str]:
        held: Any = self.service.held()
        if held and held[0] not in self.wanted:
            self.service.release(held[:1])  # left over from an earlier race, and may block the wanted calls
        held = self.wanted.intersection(held)
        self.seen |= held
        for token in held:
            self.called_at.setdefault(token, time.perf_counter() - self.began)
        if len(held) > self.together:
            # more than there were in the quiet time: the machine had delayed them
            self.together, self.in_turns = len(held), False
        self.all_met = self.all_met or held == self.wanted
        return held

    def _new_calls(self, before: set[str]) -> set[str]:
        """Return the tokens that are held now and weren't ``before``."""
        return self._observe() - before

    async def _quiet(self, race: Race, enough: Callable[[], object]) -> bool:
        """Wait until ``enough()``, or until nothing has changed for a while. Return True if the loop was alive meanwhile."""
        quiet, before = QuietPeriod(race, self.patience, self.poll_call), None
        while True:
            now = (self._observe(), sum(request.end is not None for request in race.requests))
            if enough():
                return True
            if now != before:
                quiet.restart()
                before = now
            if quiet.over:
                return quiet.alive
            await asyncio.sleep(POLL_INTERVAL_S)
