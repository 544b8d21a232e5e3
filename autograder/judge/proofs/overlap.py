"""The proof for endpoints whose request says how long to wait: all requests certainly waited at the same moment."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from autograder.judge.diagnoses import messages
from autograder.judge.evidence import overlap
from autograder.judge.evidence.samples import decode_samples
from autograder.judge.proofs.certificates import answered_late, blocked, served_in_turns
from autograder.judge.proofs.requests import (
    ANSWER_LIMIT_S,
    IDLE_S,
    AnsweredTooEarly,
    find_poll_syscall,
    run_at_each_size,
    run_requests,
)
from autograder.judge.verdict import AnswerFault, DiagnosisKind, Outcome, Trial, Verdict

if TYPE_CHECKING:
    from autograder.judge.spec.endpoint import Endpoint
    from autograder.lab.server import Server

# s that requests wait in the first trial, if it isn't shown: enough for a proof on an idle machine
FIRST_WAIT_S = (0.05, 0.1)
SINGLE_WAIT_S = (0.03, 0.12)  # s that a single request waits: longer or shorter than those that are raced
WAIT = 0.25  # s in the next trial; with less, requests that are served in turns can't be told from a busy machine
MAX_WAIT_S = 4.0  # s: the wait grows up to this when a machine is too busy to tell
# The race of unlike requests, in seconds. One waits for longer than a second, which shows waits that are cut short or made in
# another way when they're long, and code that blocks the loop twice a second. A shorter one is sent twice, the second time
# while the first is in progress: each must take its own wait. The last is sent after all others and must be answered before
# the long one.
LONG_WAIT_S = (1.15, 1.3)
MIDDLE_WAIT_S = (0.45, 0.55)
SHORT_WAIT_S = (0.1, 0.15)
REPEAT_AT_S = 0.2
SHORT_AT_S = 0.25
SHOWN_SCALE = 0.5  # the factor of all these times in the visible check
# attributed s by which a shorter request must be late before it counts as waiting for the long one
TOGETHER_MIN_S = 0.2
TOGETHER_MIN_CANARIES = 8  # canaries answered in between


class OverlapProof:
    """Trials of an endpoint whose requests say, in ``{wait}``, how long to wait."""

    proofs = 1

    def __init__(self, app: Server, endpoint: Endpoint) -> None:
        self.app = app
        self.endpoint = endpoint
        self.wait = random.uniform(*FIRST_WAIT_S)
        self.poll_call: str | None = None
        self._unlike_next = True
        self._scale = 1.0  # the factor of the times of unlike requests
        self._before: Trial | None = None  # the `Trial` of the single request in the warm-up

    async def answers(self) -> None:
        """Send requests one after the other, and repeat the last one: a cached result comes too early."""
        for call in (self.endpoint.call(0.04), *2 * [self.endpoint.call(0.1)]):
            await run_requests(self.app, [call], ANSWER_LIMIT_S + call.wait)

    async def warm_up(self) -> None:
        """Start the threads of pools, and import what is imported on first use."""
        wait = random.triangular(*SINGLE_WAIT_S, SINGLE_WAIT_S[0])  # any in that range, but mostly short
        calls = [self.endpoint.call(wait) for _ in range(self.endpoint.raced)]
        race = await run_requests(self.app, calls, ANSWER_LIMIT_S, at=[IDLE_S[0]] * len(calls))
        self.poll_call = await find_poll_syscall(self.app, race)
        # a cached wait ends too early here
        self._before = Trial(await self._one(wait))

    async def trial(self, show: bool = False) -> Trial:
        """Run one race, or two of different sizes. If nothing is decided, the next trial waits twice as long."""
        if show:
            self.wait = max(self.wait, WAIT)
        if not show and (fault := await self._alone()):
            return Trial(fault)
        raced = await run_at_each_size(self.endpoint, show, self._race)
        if raced.fault:
            return raced
        # a race that is shown comes first: its picture explains the rest
        if show and (fault := await self._alone()):
            return Trial(fault)
        if not raced.proved:
            self.wait = min(max(self.wait * 2, WAIT), MAX_WAIT_S)
        if not raced.proved or not self._unlike_next:
            return raced
        unlike = await self._unlike(self._scale * (SHOWN_SCALE if show else 1))
        self._unlike_next = not unlike.proved
        return unlike

    async def _unlike(self, scale: float) -> Trial:
        """Return the `Trial` of a race of requests that wait for different times, one of which is sent twice."""
        first, again = 1, 2
        middle = self.endpoint.call(scale * random.uniform(*MIDDLE_WAIT_S))
        calls = [self.endpoint.call(scale * random.uniform(*LONG_WAIT_S)), middle, middle]
        calls.append(self.endpoint.call(scale * random.uniform(*SHORT_WAIT_S)))
        at = [0.0, 0.0, scale * REPEAT_AT_S, scale * SHORT_AT_S]
        try:
            race = await run_requests(
                self.app, calls, ANSWER_LIMIT_S + 4 * calls[0].wait, poll_call=self.poll_call, at=at, mixed=True
            )
        except AnsweredTooEarly as early:
            if early.call is middle and early.request is early.race.requests[again]:
                text = messages.shared_wait(middle, early.request.ended_at - early.request.sent_at)
                raise AnswerFault(DiagnosisKind.SHARED_CALL, text) from None
            raise
        samples = decode_samples(race)
        if fault := blocked(race, samples, self.poll_call):
            return Trial(fault)
        long = race.requests[0]
        # the repeated request waited for the first one: its whole wait lies after that one's response
        if overlap.waited_for(
            race,
            samples,
            race.requests[again],
            middle.wait,
            race.requests[first],
            TOGETHER_MIN_S * scale,
            TOGETHER_MIN_CANARIES,
        ) and overlap.waited_after(race, samples, race.requests[again], middle.wait, race.requests[first]):
            return Trial(Verdict(Outcome.FAIL, DiagnosisKind.ONE_AT_A_TIME, messages.same_one_at_a_time(self.endpoint)))
        for request, call in zip(race.requests[first:], calls[first:], strict=True):
            if overlap.waited_for(
                race, samples, request, call.wait, long, TOGETHER_MIN_S * scale, TOGETHER_MIN_CANARIES
            ):
                return Trial(
                    Verdict(Outcome.FAIL, DiagnosisKind.ANSWERED_TOGETHER, messages.answered_together(self.endpoint))
                )
        in_time = all(
            request.ended_at < long.ended_at - TOGETHER_MIN_S * scale / 2 for request in race.requests[first:]
        )
        # if the two had shared a wait, the second would have been answered with the first
        own = race.requests[first].ended_at < race.requests[again].sent_at + middle.wait
        if not (in_time and own):
            self._scale = min(self._scale * 1.5, MAX_WAIT_S)
        return Trial(proved=in_time and own)

    async def _race(self, count: int, show: bool) -> Trial:
        calls = [self.endpoint.call(self.wait * random.uniform(1.0, 1.1)) for _ in range(count)]
        waits = [call.wait for call in calls]
        race = await run_requests(
            self.app, calls, ANSWER_LIMIT_S + sum(waits), title=self.endpoint.route, show=show, poll_call=self.poll_call
        )
        samples = decode_samples(race)
        if fault := blocked(race, samples, self.poll_call):
            return Trial(fault)
        if self.wait >= WAIT and (served := overlap.proved_batch_size(race, waits, samples)):
            return Trial(served_in_turns(served, count))
        if late := overlap.late(
            race, samples, [request.sent_at + wait for request, wait in zip(race.requests, waits, strict=True)]
        ):
            return Trial(answered_late(calls[late[0].key], late[1]))
        return Trial(proved=bool(overlap.certainly_overlapped(race, waits) and overlap.overtaken(race)))

    async def _alone(self) -> Verdict | None:
        """Send one or two single requests with random waits. Return the failing `Verdict` if they block the loop, else None.

        A handler must not be able to tell from the number or the waits of requests that it's being raced.
        """
        if self._before is not None:
            before, self._before = self._before, None
            return before.fault
        for _ in range(random.randint(1, 2)):
            if fault := await self._one(random.uniform(*SINGLE_WAIT_S)):
                return fault
        return None

    async def _one(self, wait: float) -> Verdict | None:
        race = await run_requests(self.app, [self.endpoint.call(wait)], ANSWER_LIMIT_S, poll_call=self.poll_call)
        return blocked(race, decode_samples(race), self.poll_call)
