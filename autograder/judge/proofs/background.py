"""The proof for endpoints that ask a service behind their answer: in a background task, or through a log.

The service holds everything.  If all requests are answered all the same, their answers do not wait for it; if all of
them have asked, they wait for it together.  Then everything is let go, and one more guest comes: what is done behind
an answer may block the loop only then.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from autograder.judge.diagnoses import messages
from autograder.judge.evidence import samples
from autograder.judge.proofs.certificates import blocked, served_in_turns
from autograder.judge.proofs.quiescence import ALIVE_MIN_CANARIES, MAX_QUIET_S, POLL_INTERVAL_S, QuietPeriod
from autograder.judge.proofs.rendezvous import RendezvousProof
from autograder.judge.proofs.requests import ANSWER_LIMIT_S, forgotten, never_awaited, run_requests
from autograder.judge.spec.endpoint import RACE_SIZE
from autograder.judge.verdict import AnswerFault, DiagnosisKind, Outcome, Trial, Verdict
from autograder.lab.race import happened

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.judge.spec.endpoint import CheckRequest
    from autograder.lab.race import Race
    from autograder.services import Service

NEXT_REQUEST_S = 0.6  # s after the others that one more request is sent, at first
WATCHED_S = 1.2  # s after the others that it's sent once, so that what blocks now and then is seen
FORGOTTEN_BACKGROUND_AWAIT_S = (
    2.0  # s, instead of `MAX_QUIET_S`, that is waited for a question where an await is known to be missing
)


class BackgroundProof(RendezvousProof):
    """Trials of an endpoint whose ``service`` need not have replied when the request is answered."""

    proofs = 1
    lone = False  # an answer that waits for nobody says nothing when it is alone
    next_guest = NEXT_REQUEST_S

    async def answers(self) -> None:
        """Ask one after the other; the service must have been asked in the end."""
        for _ in range(3):
            calls = await self._calls(1)
            _, watch = await self._watched(calls, calls)
            if watch.missing:
                never_awaited(self.app)
                raise AnswerFault(DiagnosisKind.DID_NOT_ASK, messages.never_called(calls[0], self.endpoint.service))
            await self._check_count()

    async def _hold_one_long(self, seconds: float) -> Trial:
        """The `Trial` of one race that is watched for a little longer than the others, where nothing is shown."""
        if seconds < WATCHED_S:
            return Trial(proved=True)
        before, self.next_guest = self.next_guest, max(self.next_guest, WATCHED_S)
        try:
            return await self._meeting(RACE_SIZE, False)
        finally:
            self.next_guest = before

    async def _meeting(self, count: int, show: bool) -> Trial:
        calls = await self._calls(count)
        race, watch = await self._watched(calls, [*calls, self.endpoint.call(0.0, self.service)], show)
        if fault := blocked(race, samples.decode_samples(race), self.rest):
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
        if (watch.ahead or watch.all_met) and watch.seen_through(race):
            return Trial(proved=True)
        self.patience = min(self.patience * 2, MAX_QUIET_S)
        self.next_guest *= 2
        return Trial()

    async def _watched(
        self, calls: list[CheckRequest], guests: list[CheckRequest], show: bool = False
    ) -> tuple[Race, BackgroundObserver]:
        watch = BackgroundObserver(self.service, calls, self.patience, self.rest, lambda: any(forgotten(self.app)))
        self.service.hold()
        try:
            race = await run_requests(
                self.app,
                guests,
                ANSWER_LIMIT_S + 2 * MAX_QUIET_S + self.next_guest,
                title=self.endpoint.route,
                show=show,
                companion=watch.hold,
                rest=self.rest,
                mixed=len(guests) > len(calls),  # who comes later is not to be compared with the others
                at=[0.0] * len(calls) + [self.next_guest] * (len(guests) - len(calls)),
            )
        finally:
            self.service.release()
        return race, watch


class BackgroundObserver:
    """Holds what the requests of one race ask for behind their answers, and keeps what it saw.

    ``ahead``: all were answered while nothing had been let go.  ``all_met``: all their questions were held at one
    moment.  ``missing``: the tokens that never came.  ``in_turns``: unanswered, and each newcomer came only after
    another had been let go, although the loop was alive; ``together`` is how many there were at most.
    ``alive``: the loop answered canaries while everything was held and nothing new came.
    ``hopeless()`` tells whether the app is known to have forgotten an await: then what is missing will hardly come.
    """

    def __init__(
        self,
        service: Service,
        calls: list[CheckRequest],
        patience: float,
        rest: str | None,
        await_forgotten: Callable[[], bool],
    ) -> None:
        self.service = service
        self.rest = rest
        self.requests = len(calls)
        self.wanted = {token for call in calls for token in call.tokens}
        self.patience = patience
        self.await_forgotten = await_forgotten
        self.ahead = self.all_met = self.in_turns = self.alive = False
        self.together = 0
        self.seen: set[str] = set()
        self.released: float | None = None

    @property
    def missing(self) -> set[str]:
        """The tokens that the service hasn't been called for yet."""
        return self.wanted - self.seen

    def seen_through(self, race: Race) -> bool:
        """True if the loop was watched for a while after everything was let go, and all the time until then."""
        return sum(c.answered and c.start >= happened(self.released) for c in race.canaries) >= ALIVE_MIN_CANARIES

    async def hold(self, race: Race) -> None:
        """Run beside a race, until everything has come and was let go."""
        while race.began is None:
            await asyncio.sleep(POLL_INTERVAL_S)
        self.alive = alive = await self._quiet(race, lambda: self.all_met and self._answered(race))
        self.ahead = self._answered(race)
        self.in_turns = alive and not self.ahead and not self.all_met
        began = time.perf_counter()
        while self.missing and time.perf_counter() - began < (
            FORGOTTEN_BACKGROUND_AWAIT_S if self.await_forgotten() else MAX_QUIET_S
        ):
            if held := self._observe():
                self.service.release(self.service.held()[:1])
                await self._quiet(race, lambda held=held: self._observe() - held)  # type: ignore[misc]
            else:
                await asyncio.sleep(POLL_INTERVAL_S)
        self.released = time.perf_counter() - race.began
        self.service.release()

    def _answered(self, race: Race) -> bool:
        return all(request.end is not None for request in race.requests[: self.requests])

    def _observe(self) -> set[str]:
        held: Any = self.service.held()
        if held and held[0] not in self.wanted:
            self.service.release(held[:1])  # left over from before, and perhaps in the way of those who are wanted
        held = self.wanted.intersection(held)
        self.seen |= held
        if len(held) > self.together:
            # more than there were when it was quiet: it was the machine that held them up
            self.together, self.in_turns = len(held), False
        self.all_met = self.all_met or held == self.wanted
        return held

    async def _quiet(self, race: Race, enough: Callable[[], object]) -> bool:
        """Wait until ``enough()``, or until nothing has changed for a while; True if the loop was alive in that while."""
        quiet, before = QuietPeriod(race, self.patience, self.rest), None
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
