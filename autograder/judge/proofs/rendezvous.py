"""The proof for endpoints that ask a service: the service holds every reply until all requests have asked.

Who has asked is told by the service, which the learner's code does not own.  When all have, they are side by side:
that is a fact, and no load can undo it.  If some never come, the service lets go one at a time, and watches whether
the next only comes when the one before has gone.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import TYPE_CHECKING

from autograder.judge.diagnoses import messages
from autograder.judge.evidence import overlap, samples
from autograder.judge.evidence.process_tree import leaves
from autograder.judge.proofs.certificates import answered_late, blocked, served_in_turns
from autograder.judge.proofs.long_hold import AGAIN, FIRST, HOLD_S, OTHER, SHOWN_HOLD_S, LongHold
from autograder.judge.proofs.quiescence import INITIAL_QUIET_S, MAX_QUIET_S, POLL_INTERVAL_S, QuietPeriod
from autograder.judge.proofs.requests import ANSWER_LIMIT_S, REST, find_poll_syscall, run_at_each_size, run_requests
from autograder.judge.spec.endpoint import RACE_SIZE
from autograder.judge.verdict import AnswerFault, DiagnosisKind, Outcome, Trial, Verdict
from autograder.lab.race import happened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autograder.judge.spec.endpoint import CheckRequest, Endpoint
    from autograder.lab.race import Race
    from autograder.lab.server import Server
    from autograder.services import Service

HOLD = 0.1  # s that the reply to a request which is alone is held: whoever answers meanwhile does not wait for it
COLD_START = 6  # times that, for the first requests: the processes that do the work may have to start
STEP_S = 0.06  # s that a request is given after its reply, while other replies are still held ...
STEP_CANARIES = 2  # ... and canaries
WORK = 5.0  # s that a piece of work is given beyond: it takes a tenth of one, but the machine may be busy


class RendezvousProof:
    """Trials of an endpoint that asks ``endpoint.service``."""

    lone = True  # requests that are alone are judged as well

    def __init__(self, app: Server, endpoint: Endpoint, service: Service) -> None:
        self.app = app
        self.endpoint = endpoint
        self.service = service
        self.patience = INITIAL_QUIET_S
        self.rest: str | None = None
        self._meetings = random.randrange(2)
        self._alone_next = self._hold_next = True
        self._expected: Counter[str] = Counter()  # how many calls each token has been requested for
        self._all_waited = 0  # meetings in which no request was answered before the last reply was released
        self._earlier: CheckRequest | None = None  # a request that was answered before

    @property
    def proofs(self) -> int:
        """How many trials must prove it.

        Four that are served in turns are let go in the order of their turns once in 22, and two of them in one of two orders.
        """
        few = self.endpoint.barrier == "calls" and not self.endpoint.large
        return 2 if few and not self.service.computes else 1

    async def _calls(self, count: int) -> list[CheckRequest]:
        # in threads: to know what is right may mean to do the same work
        making = [asyncio.to_thread(self.endpoint.call, 0.0, self.service) for _ in range(count)]
        calls = await asyncio.gather(*making)
        self.service.prepare([token for call in calls for token in call.tokens])
        self._expect(calls)
        return calls

    def _expect(self, calls: list[CheckRequest]) -> None:
        """Note that these requests are sent: each needs one call for each of its tokens, or the first of them if it's cached."""
        for call in calls:
            for token in call.tokens:
                self._expected[token] = 1 if self.endpoint.cached else self._expected[token] + 1

    async def _called_too_often(self) -> Verdict | None:
        """The failing `Verdict` if the service was called more often than the requests needed, else None."""
        counts = await asyncio.to_thread(self.service.calls, list(self._expected))
        for token, expected in self._expected.items():
            if counts[token] > expected:
                if self.endpoint.cached:
                    return Verdict(
                        Outcome.FAIL, DiagnosisKind.ASKED_AGAIN, messages.called_again(self.endpoint, counts[token])
                    )
                text = messages.called_twice(self.endpoint, counts[token], expected)
                return Verdict(Outcome.FAIL, DiagnosisKind.CALLED_TWICE, text)
        return None

    async def _check_count(self) -> None:
        """Raise `AnswerFault` if the service was called too often."""
        if (verdict := await self._called_too_often()) and verdict.kind:
            raise AnswerFault(verdict.kind, verdict.diagnosis)

    async def answers(self) -> None:
        """Ask one after the other for something new, and for the last of it once or twice more."""
        for _ in range(2):
            (call,) = calls = await self._calls(1)
            # a pool of processes starts with the first request: on a busy machine that takes longer than the work
            await run_requests(self.app, calls, ANSWER_LIMIT_S + COLD_START * self._working(1))
            await self._check_count()
        for _ in range(random.randint(1, 2)):
            await self._again(call)
            await self._check_count()

    async def _again(self, call: CheckRequest) -> Race:
        """Ask for the same once more: the service must see all of it, and be waited for, or nothing of it if it is kept."""
        self._expect([call])
        race, seen, ended = await self._held(call)
        if not self.endpoint.cached:
            await self._check_count()
        if self.endpoint.cached and seen:
            raise AnswerFault(DiagnosisKind.ASKED_AGAIN, messages.asked_again(call, self.endpoint.service))
        if not self.endpoint.cached and (ended or not seen.issuperset(call.tokens)):
            raise AnswerFault(DiagnosisKind.KEPT_FROM_BEFORE, messages.kept(call, self.endpoint.service))
        return race

    async def _held(self, call: CheckRequest) -> tuple[Race, set[str], bool]:
        """Ask alone, and hold each reply for a moment: (race, tokens seen, whether it was answered while one was held).

        The moment lasts until a canary was answered; as long as nobody can tell a loop that will answer none, for `HOLD`.
        """
        seen, let_go = set(), set()

        async def watch(race: Race) -> None:
            while race.began is None:
                await asyncio.sleep(POLL_INTERVAL_S)
            while race.end is None:
                everything = self.service.held()
                held = [token for token in everything if token in call.tokens]
                if held and not _over(race):
                    seen.update(held)
                    quiet = QuietPeriod(race, self.patience, self.rest)
                    while self.rest is None and quiet.seconds < HOLD and not _over(race):
                        await asyncio.sleep(POLL_INTERVAL_S)
                    if self.rest is not None:
                        await _overtaken(race, quiet)
                    if not _over(race):
                        let_go.update(held)
                # a call that this request doesn't need is released at once
                if going := [token for token in everything if token in held or token not in call.tokens]:
                    self.service.release(going)
                await asyncio.sleep(POLL_INTERVAL_S)

        self.service.prepare(call.tokens)  # type: ignore[arg-type]
        self.service.hold()
        try:
            race = await run_requests(
                self.app, [call], ANSWER_LIMIT_S + self._working(1), companion=watch, rest=self.rest, held=True
            )
        finally:
            self.service.release()
        return race, seen, bool(seen - let_go)

    async def _alone(self) -> Verdict | None:
        """The failing `Verdict` if a request that is alone blocks the loop, or one for what is kept, else None.

        A handler may not know by the number of requests that it is raced.
        """
        (call,) = await self._calls(1)
        races = [(await self._held(call))[0]]
        self._earlier = call
        if self.endpoint.cached:
            races.append(await self._again(call))
        for race in races:
            if fault := blocked(race, samples.decode_samples(race), self.rest, self.service.computes):
                return fault
        return await self._called_too_often()

    async def warm_up(self) -> None:
        """Open connections, start the threads of pools, and import what is imported on first use."""
        calls = await self._calls(self.endpoint.raced)
        limit = ANSWER_LIMIT_S + max(self._working(len(calls)), COLD_START * self._working(1))
        race = await run_requests(self.app, calls, limit, at=[REST[0]] * len(calls))
        if self.endpoint.cached:
            await self._again(calls[0])
        self.rest = await find_poll_syscall(self.app, race)

    def _quiet(self, race: Race) -> QuietPeriod:
        """A `QuietPeriod` that begins when no program is on its way to the service any more."""
        return quiet_period(self.app, self.service, race, self.patience, self.rest)

    def _working(self, count: int) -> float:
        """Seconds that so many requests are given for work of their own."""
        return WORK * count * self.endpoint.upstream_calls if self.service.computes else 0.0

    async def trial(self, show: bool = False) -> Trial:
        """One meeting, or two of different size; a trial that shows nothing makes the next one more patient.

        Before the first meeting one request is alone, and again as long as that one shows a fault.
        """
        if not show and self.lone and self._alone_next:
            if fault := await self._alone():
                return Trial(fault)
            self._alone_next = False
        met = await run_at_each_size(self.endpoint, show, self._meeting)
        # a race that is shown comes first: its picture explains the rest
        if show and self.lone and not met.fault and (fault := await self._alone()):
            return Trial(fault)
        if not met.proved or not self._hold_next:
            return met
        held = await self._hold_one_long(SHOWN_HOLD_S if show else HOLD_S)
        self._hold_next = not held.proved
        return held

    async def _hold_one_long(self, seconds: float) -> Trial:
        """The `Trial` of one race in which the first reply is held for so many seconds."""
        # what is not cached was requested before: a copy that was kept would be found now
        first = self._earlier if self._earlier and not self.endpoint.cached else (await self._calls(1))[0]
        calls = [first, first]
        if not self.service.computes:
            calls += await self._calls(1)
        if first is self._earlier:
            self._expect([first])
        self._expect([first])
        before = (await asyncio.to_thread(self.service.calls, first.tokens)) if first is self._earlier else {}
        self.service.prepare([token for call in calls for token in call.tokens])
        holding = LongHold(self.service, calls, seconds, self._quiet)
        self.service.hold()
        try:
            race = await run_requests(
                self.app,
                calls,
                ANSWER_LIMIT_S + 6 * seconds + 2 * self.patience + self._working(2),
                companion=holding.hold,
                rest=self.rest,
                on_order=range(1, len(calls)),
                held=True,
            )
        finally:
            self.service.release()
        if fault := blocked(race, samples.decode_samples(race), self.rest, self.service.computes):
            return Trial(fault)
        if fault := await self._called_too_often():
            return Trial(fault)
        if not holding.called:
            return Trial()
        for number in (FIRST, AGAIN):
            if race.requests[number].ended_at < happened(holding.released):
                return Trial(
                    Verdict(
                        Outcome.FAIL,
                        DiagnosisKind.KEPT_FROM_BEFORE,
                        messages.did_not_wait(self.endpoint, holding.held_s),
                    )
                )
        if not self.endpoint.cached and not holding.called_again:
            counts = await asyncio.to_thread(self.service.calls, first.tokens)
            shared = any(counts[token] - before.get(token, 0) < 2 for token in first.tokens)
            if shared and holding.missed_again:
                return Trial(Verdict(Outcome.FAIL, DiagnosisKind.SHARED_CALL, messages.shared_call(self.endpoint)))
            # where one piece of work at a time is allowed, the same one may wait as any other
            if not shared and self.endpoint.barrier != "loop" and holding.missed_again:
                return Trial(
                    Verdict(Outcome.FAIL, DiagnosisKind.ONE_AT_A_TIME, messages.same_one_at_a_time(self.endpoint))
                )
            if shared or self.endpoint.barrier != "loop":
                return Trial()
        if len(calls) > OTHER and not holding.overtaken:
            if holding.together(race) and self.endpoint.raced <= 2:
                return Trial(
                    served_in_turns(1, self.endpoint.raced)
                )  # in so small a race a lock may have passed by chance
            if holding.together(race):
                return Trial(
                    Verdict(Outcome.FAIL, DiagnosisKind.ANSWERED_TOGETHER, messages.answered_together(self.endpoint))
                )
            return Trial()
        return Trial(proved=holding.held_s >= seconds)

    async def _meeting(self, count: int, show: bool) -> Trial:
        calls = await self._calls(count)
        meeting = HeldReplies(self.app, self.service, calls, self.patience, self.endpoint.barrier, self.rest)
        self._meetings += 1
        meeting.newest_first = self._meetings % 2 == 1
        self.service.hold()
        try:
            race = await run_requests(
                self.app,
                calls,
                ANSWER_LIMIT_S + len(meeting.wanted) * 2 * self.patience + self._working(count),
                title=self.endpoint.route,
                show=show,
                companion=meeting.hold,
                rest=self.rest,
                held=True,
            )
        finally:
            self.service.release()
        fault = blocked(race, samples.decode_samples(race), self.rest, self.service.computes)
        # where only a few are let in, several of them compute together, and the loop gets less of the GIL than in a fair race
        if fault and not (fault.kind == DiagnosisKind.GIL and meeting.in_turns):
            return Trial(fault)
        if fault := await self._called_too_often():
            return Trial(fault)
        if first_unasked_call := meeting.first_unasked_call(race):
            return Trial(
                Verdict(
                    Outcome.FAIL,
                    DiagnosisKind.DID_NOT_ASK,
                    messages.did_not_ask(first_unasked_call, self.endpoint.service),
                )
            )
        if meeting.proved:
            return Trial(proved=True)
        if meeting.all_met and not self.service.computes:
            # all were let go then at the latest; whoever had its reply before had more time still
            if late := overlap.late(race, samples.decode_samples(race), [happened(meeting.released)] * len(calls)):
                return Trial(answered_late(calls[late[0].key], late[1]))
        if meeting.in_turns:
            return Trial(self._in_turns(meeting.stood, calls))
        if meeting.all_met and meeting.independent is False:
            self._all_waited += meeting.all_wait
            if (
                meeting.all_wait and self._all_waited > 1
            ):  # once may be chance, where a lock happens to serve the last one
                return Trial(
                    Verdict(Outcome.FAIL, DiagnosisKind.ANSWERED_TOGETHER, messages.answered_together(self.endpoint))
                )
            if count > 2 * RACE_SIZE and (meeting.listening or 0) > 1:
                return Trial(
                    Verdict(
                        Outcome.FAIL, DiagnosisKind.FEW_AT_A_TIME, messages.few_listen(meeting.listening or 0, count)
                    )
                )
            return Trial(served_in_turns(1, count))
        self.patience = min(self.patience * 2, MAX_QUIET_S)
        return Trial()

    def _in_turns(self, together: set[str], calls: list[CheckRequest]) -> Verdict:
        each = [len(together & set(call.tokens)) for call in calls]
        if self.endpoint.upstream_calls > 1 and set(each) == {1}:
            return Verdict(
                Outcome.FAIL,
                DiagnosisKind.ONE_AFTER_THE_OTHER,
                messages.one_after_the_other(self.endpoint.upstream_calls),
            )
        if self.endpoint.barrier == "places":
            return served_in_turns(1 if sum(map(bool, each)) == 1 else sum(each), max(len(calls), RACE_SIZE))
        return served_in_turns(sum(each), len(calls), self.endpoint.upstream_calls)


class HeldReplies:
    """Holds the replies of one race, and keeps what it saw.

    ``all_met``: all wanted tokens were held at one moment.  ``overtaken``: a canary was answered while they were.
    ``independent``: the requests were answered one by one in the order in which they were let go, which was of our choice;
    False if one was not, although the loop was alive; None if that was not seen.  (To have asked is not yet to listen.)
    ``passed``: the tokens that were overtaken by a canary while they were held.
    ``together``: the largest set of tokens that were held at one moment; ``stood``: the largest before one was let go.
    ``in_turns``: after a long quiet time with a loop that was alive, each newcomer came only after another had been let go.
    """

    def __init__(
        self, app: Server, service: Service, calls: list[CheckRequest], patience: float, barrier: str, rest: str | None
    ) -> None:
        self.app = app
        self.service = service
        self.barrier = barrier
        self.rest = rest
        self.calls = calls
        self.wanted = {token for call in calls for token in call.tokens}
        self.patience = patience
        self.all_met = self.overtaken = self.in_turns = False
        self.independent: bool | None = None
        self.listening: int | None = None
        self.all_wait = False
        self.newest_first = (
            False  # of requests with several questions: those that are served in turns stand in one of two orders
        )
        self.passed: set[str] = set()
        self.together: set[str] = set()
        self.stood: set[str] = set()
        self.seen: set[str] = set()
        self.held_at_last: set[str] = set()
        self.released: float | None = None  # when all were let go, in seconds since the race began

    async def hold(self, race: Race) -> None:
        """Run beside a race, until all its requests are answered."""
        while race.began is None:
            await asyncio.sleep(POLL_INTERVAL_S)
        if self.barrier == "loop":
            await self._let_each_go(race)
        else:
            alive = await self._wait_for_all(race)
        if self.all_met:
            self.overtaken = await self._canary_answered(race)
            if self.service.computes:
                await self._let_go_singly(race)
            else:
                await self._let_go_in_any_order(race)
        elif not _over(race) and self.barrier != "loop":
            self.in_turns = alive
            self.stood = set(self.together)
            await self._drain(race)
        # looked at first, so that whoever was answered by then was answered while it was held
        if self.released is None:
            self.released = time.perf_counter() - race.began_at
        self.held_at_last = set(self.service.held())
        self.service.release()

    def first_unasked_call(self, race: Race) -> CheckRequest | None:
        """The first call that was answered while the service parked, and had not asked or not waited for the reply."""
        for request, call in zip(race.requests, self.calls, strict=True):
            early = self.released is None or request.ended_at < self.released
            if early and (not self.seen.issuperset(call.tokens) or self.held_at_last.intersection(call.tokens)):
                return call
        return None

    @property
    def proved(self) -> bool:
        """True if what this kind of meeting must show was seen."""
        if self.barrier == "loop":
            return self.passed >= self.wanted
        return bool(self.all_met and self.overtaken and self.independent)

    def _all_here(self, held: list[str]) -> bool:
        if self.barrier == "places":
            return len(self.wanted.intersection(held)) >= len(self.calls)
        return self.wanted <= set(held)

    def _held(self) -> list[str]:
        held = self.service.held()
        # a call that no request needs is neither wanted nor in the way of the others
        if strays := [token for token in held if token not in self.wanted]:
            self.service.release(strays)
            held = [token for token in held if token in self.wanted]
        self.seen.update(held)
        if len(held) > len(self.together):
            self.together = set(held)
        return held

    def _quiet(self, race: Race) -> QuietPeriod:
        return quiet_period(self.app, self.service, race, self.patience, self.rest)

    async def _wait_for_all(self, race: Race) -> bool:
        """Until all are there, or nobody has come for a while, or somebody is answered without having been let go.

        True if the loop was alive in that while.
        """
        quiet, seen = self._quiet(race), 0
        while not any(request.end is not None for request in race.requests):
            held = self._held()
            if self._all_here(held):
                self.all_met = True
                break
            if len(held) != seen:
                quiet.restart()
                seen = len(held)
            if quiet.over:
                break
            await asyncio.sleep(POLL_INTERVAL_S)
        return quiet.alive

    async def _canary_answered(self, race: Race) -> bool:
        """True as soon as a canary that was sent from now on is answered, while nobody is let go."""
        return await _overtaken(race, QuietPeriod(race, self.patience, self.rest))

    async def _let_each_go(self, race: Race) -> None:
        """Whoever comes is let go as soon as a canary was answered beside it; all need not come together."""
        while not _over(race):
            held = self._held()
            if not held:
                await asyncio.sleep(POLL_INTERVAL_S)
                continue
            if not await self._canary_answered(race):
                return  # one that was not overtaken is enough: nothing is proved here
            self.passed.update(held)
            self.service.release(held)

    async def _let_go_singly(self, race: Race) -> None:
        """One request at a time, the newest first, and the next when that one is answered or asks for more: nobody else
        computes meanwhile."""
        while not _over(race):
            held = self._held()
            if not held:
                await asyncio.sleep(POLL_INTERVAL_S)
                continue
            answered = self._answered(race)
            going = next((call.tokens for call in self.calls if held[-1] in call.tokens), held[-1:])
            self.service.release(going)  # type: ignore[arg-type]
            left = set(held).difference(going)
            while self._answered(race) == answered and not set(self._held()) - left:
                if race.end is not None:
                    return
                await asyncio.sleep(POLL_INTERVAL_S)
            if left and self._answered(race) > answered:
                self.independent = True

    def _answered(self, race: Race) -> int:
        return sum(request.end is not None for request in race.requests)

    async def _let_go_in_any_order(self, race: Race) -> None:
        """One request at a time: each must be answered while those that are left are still held.

        A lock around the wait alone lets everyone ask, but then it serves in an order of its own: in that of arrival, or
        against it (a busy Redis replies to the last first).
        """
        for number in self._order()[:-1]:
            answered, quiet = self._answered(race), self._quiet(race)
            self.service.release(list(self.calls[number].tokens))
            while self._answered(race) == answered:
                if quiet.over:
                    if quiet.alive:
                        await self._let_more_go(race, number)
                    return
                await asyncio.sleep(POLL_INTERVAL_S)
        self.independent = True

    def _order(self) -> list[int]:
        """The numbers of the calls in the order in which they are let go: any, but neither as they came nor the other way round.

        Where a request asks several questions there are only two, and both orders are tried.
        """
        came = self._in_order_of_arrival()
        if len(self.calls) > 2 * RACE_SIZE:
            # those that a pool has no thread for yet came last, and whoever is answered first gives its thread to one of them
            return came[::-1]
        if len(self.wanted) == len(self.calls):
            return _any_order(came)
        return came[::-1] if self.newest_first else came

    def _in_order_of_arrival(self) -> list[int]:
        place = {token: i for i, token in enumerate(self.service.held())}
        return sorted(range(len(self.calls)), key=lambda n: min(place.get(token, 0) for token in self.calls[n].tokens))

    async def _let_more_go(self, race: Race, number: int) -> None:
        """No request was answered when that call was released: release the others one by one until one is.

        If another one is answered first, call ``number`` had to wait for it.  ``listening`` is then how many listened, at most,
        and ``all_wait`` tells whether none was answered before the last reply was released.
        """
        waiting = [n for n in self._in_order_of_arrival() if race.requests[n].end is None and n != number]
        # a lock has an order of its own, of arrival or against it: the last to be released is neither the first nor the last
        if not (large := len(self.calls) > 2 * RACE_SIZE):
            waiting = [*waiting[:1], *waiting[:0:-1]]
        else:
            waiting.reverse()
        step_s, step_canaries = (STEP_S, STEP_CANARIES) if large else (4 * STEP_S, 2 * STEP_CANARIES)
        none_before, last, unanswered = self._answered(race) == 0, False, 1
        for other in waiting:
            before = self._answered(race)
            self.service.release(list(self.calls[other].tokens))
            last = other is waiting[-1]
            if last:
                self.released = time.perf_counter() - race.began_at
            quiet = QuietPeriod(race, 0.0, self.rest)
            while race.end is None and self._answered(race) == before:
                if not last and quiet.seconds >= step_s and quiet.canaries >= step_canaries:
                    break
                await asyncio.sleep(POLL_INTERVAL_S)
            if self._answered(race) > before:
                break
            unanswered += 1
        if not last:
            self.released = time.perf_counter() - race.began_at
        self.service.release([token for token in self.service.held() if token in self.wanted])
        ended = [n for n in (*waiting, number) if race.requests[n].end is not None]
        if ended and min(ended, key=lambda n: race.requests[n].ended_at) != number:
            self.independent = False
            self.listening = len(self.calls) - unanswered
            # of two requests the other one is always the last: that may as well be a lock
            self.all_wait = last and none_before and not large and len(self.calls) > 2

    async def _drain(self, race: Race) -> None:
        """Let one go at a time; who comes must come after that, and never make more than there were.

        Those are compared who are at the same of their questions: whoever was let go may be at the next already, when
        another one comes in.
        """
        most = self._abreast(self.stood)
        while not _over(race):
            held = self._held()
            if self._abreast(held) > most:
                self.in_turns = False  # two at once after all: it was the machine
            if not held:
                await asyncio.sleep(POLL_INTERVAL_S)
                continue
            self.service.release(held[:1])
            if self.wanted <= self.seen:
                return  # all have come: nobody new can show that it was otherwise
            await self._newcomer_or_quiet(race, set(held))

    def _abreast(self, tokens: Iterable[str]) -> int:
        """How many requests are at the same of their questions, at most."""
        stages = [
            sum(token in tokens for token in stage) for stage in zip(*(c.tokens for c in self.calls), strict=True)
        ]
        return max(stages, default=0)

    async def _newcomer_or_quiet(self, race: Race, before: set[str]) -> None:
        deadline = time.perf_counter() + self.patience
        while time.perf_counter() < deadline and not _over(race):
            if set(self._held()) - before:
                return
            await asyncio.sleep(POLL_INTERVAL_S)


def quiet_period(app: Server, service: Service, race: Race, patience: float, rest: str | None) -> QuietPeriod:
    """A `QuietPeriod`; where a service is called by programs, it begins when none is on its way."""

    def on_its_way() -> bool:
        """True if a process of the app is alive that is not held: it has not called yet, or has its reply and ends."""
        return leaves(app.pid) > len(service.held())

    return QuietPeriod(race, patience, rest, on_its_way if service.spawns else None)


def _over(race: Race) -> bool:
    return race.end is not None or all(request.end is not None for request in race.requests)


async def _overtaken(race: Race, quiet: QuietPeriod) -> bool:
    """True as soon as a canary that was sent from now on is answered; False if the loop does not answer for a while."""
    now = time.perf_counter() - race.began_at
    while quiet.seconds < 2 * quiet.patience and not quiet.stuck and not _over(race):
        if any(c.answered and c.start >= now for c in race.canaries):
            return True
        await asyncio.sleep(POLL_INTERVAL_S)
    return False


def _any_order(tokens: list[int]) -> list[int]:
    """The numbers in an order by chance, but neither as they came nor the other way round if there are three or more."""
    order = list(tokens)
    while len(tokens) > 2 and order in (tokens, tokens[::-1]):
        random.shuffle(order)
    return order
