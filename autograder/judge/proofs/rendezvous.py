"""The proof for endpoints that call a service: the service holds every reply until all requests have called it.

The service, which learners' code can't change, reports whose calls it holds. When it holds those of all requests, the
requests run side by side: that is a fact, and no load can undo it. If some calls never come, the service releases one reply
at a time, and the judge watches whether each missing call comes only after a release.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from autograder.judge.diagnoses import messages
from autograder.judge.evidence import overlap, samples
from autograder.judge.evidence.process_tree import leaves
from autograder.judge.proofs.certificates import answered_late, blocked, served_in_turns
from autograder.judge.proofs.giving_up import GivingUp
from autograder.judge.proofs.long_hold import AGAIN, FIRST, HOLD_S, OTHER, SHOWN_HOLD_S, LongHold
from autograder.judge.proofs.quiescence import INITIAL_QUIET_S, MAX_QUIET_S, POLL_INTERVAL_S, QuietPeriod
from autograder.judge.proofs.refusal import Refusal
from autograder.judge.proofs.requests import ANSWER_LIMIT_S, IDLE_S, find_poll_syscall, run_at_each_size, run_requests
from autograder.judge.spec.endpoint import RACE_SIZE
from autograder.judge.verdict import AnswerFault, DiagnosisKind, Outcome, Trial, Verdict
from autograder.lab.race import happened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autograder.judge.spec.endpoint import CheckRequest, Endpoint
    from autograder.lab.race import Race
    from autograder.lab.server import Server
    from autograder.services import Service

SINGLE_HOLD_S = 0.1  # s that the reply to a single request is held: a response in that time doesn't wait for the reply
COLD_START_FACTOR = 6  # times `WORK_S` for the first requests, because the processes that do the work may have to start
STEP_S = 0.06  # s that a request is given after its reply, while other replies are still held ...
STEP_CANARIES = 2  # ... and canaries
WORK_S = 5.0  # s beyond the limit for each piece of work: it takes a tenth of a second, but the machine may be busy


class RendezvousProof:
    """Trials of an endpoint that calls ``endpoint.service``."""

    judges_single = True  # single requests are judged as well

    def __init__(self, app: Server, endpoint: Endpoint, service: Service, also: Service | None = None) -> None:
        self.app = app
        self.endpoint = endpoint
        self.service = service
        self.also = also
        self.patience = INITIAL_QUIET_S
        self.poll_call: str | None = None
        self._meetings = random.randrange(2)
        self._alone_next = self._hold_next = True
        self._gathering_s = 0.0  # s until the calls of the newest meeting were held together
        # what must be proved after the rendezvous: that requests give up, or meet an error, as they must
        self._further: GivingUp | Refusal | None = None
        self._expected: Counter[str] = Counter()  # how many calls each token has been requested for
        self._all_waited = 0  # meetings in which no request was answered before the last reply was released
        self._earlier: CheckRequest | None = None  # a request that has already been answered

    @property
    def proofs(self) -> int:
        """How many trials must prove it.

        Four requests that are served in turns are released in the order of their turns by chance, once in 22 trials; two
        requests have only two orders.
        """
        few = self.endpoint.barrier == "calls" and not self.endpoint.large
        return 2 if few and not self.service.computes else 1

    async def _calls(self, count: int, patience: float | None = None, in_time: bool = False) -> list[CheckRequest]:
        # in threads, because computing the expected response may mean doing the same work
        new = partial(self.endpoint.call, service=self.service, patience=patience, also=self.also, in_time=in_time)
        making = [asyncio.to_thread(new) for _ in range(count)]
        calls = await asyncio.gather(*making)
        if self.also:
            self.also.prepare([call.tokens[0] for call in calls])
        self.service.prepare([token for call in calls for token in call.tokens])
        self._expect(calls)
        return calls

    async def _refused_call(self) -> CheckRequest:
        """Return a request for `Refusal`. Its calls aren't counted, because one that was refused may be made again."""
        return await asyncio.to_thread(self.endpoint.call, service=self.service, refused=True)

    def _expect(self, calls: list[CheckRequest]) -> None:
        """Record that these requests are sent: each needs one call for each of its tokens, or only the first does if it's cached."""
        for call in calls:
            for token in call.tokens:
                self._expected[token] = 1 if self.endpoint.cached else self._expected[token] + 1

    async def _called_too_often(self) -> Verdict | None:
        """Return the failing `Verdict` if the service was called more often than the requests needed, else None."""
        for name, service in ((self.endpoint.service, self.service), (self.endpoint.also, self.also)):
            counts = await asyncio.to_thread(service.calls, list(self._expected)) if service else {}
            for token, count in counts.items():
                expected = self._expected[token]
                if count > expected and self.endpoint.cached:
                    text = messages.called_again(self.endpoint, count)
                    return Verdict(Outcome.FAIL, DiagnosisKind.ASKED_AGAIN, text)
                if count > expected:
                    text = messages.called_twice(self.endpoint.route, name, count, expected)
                    return Verdict(Outcome.FAIL, DiagnosisKind.CALLED_TWICE, text)
        return None

    async def _check_count(self) -> None:
        """Raise `AnswerFault` if the service was called too often."""
        if (verdict := await self._called_too_often()) and verdict.kind:
            raise AnswerFault(verdict.kind, verdict.diagnosis)

    async def answers(self) -> None:
        """Send new requests one after the other, and repeat the last one once or twice."""
        for _ in range(2):
            (call,) = calls = await self._calls(1)
            # a pool of processes starts with the first request, which takes longer than the work on a busy machine
            await run_requests(self.app, calls, ANSWER_LIMIT_S + COLD_START_FACTOR * self._working(1))
            await self._check_count()
        for _ in range(random.randint(1, 2)):
            await self._again(call)
            await self._check_count()
        if self.also:
            await self._also_again(call, self.also)

    async def _again(self, call: CheckRequest) -> Race:
        """Repeat a request. It must make all its calls again and wait for the replies, or make no call if the replies are cached."""
        self._expect([call])
        race, seen, ended = await self._held(call)
        if not self.endpoint.cached:
            await self._check_count()
        if self.endpoint.cached and seen:
            raise AnswerFault(DiagnosisKind.ASKED_AGAIN, messages.asked_again(call, self.endpoint.service))
        if not self.endpoint.cached and (ended or not seen.issuperset(call.tokens)):
            raise AnswerFault(DiagnosisKind.KEPT_FROM_BEFORE, messages.kept(call, self.endpoint.service))
        return race

    async def _also_again(self, call: CheckRequest, also: Service) -> Race:
        """Repeat a request while the second service holds its reply. It must call that service again, too. Raises `AnswerFault`.

        The reply is held until a canary was answered, or the loop is seen to be stuck.
        """
        (token,), called = call.tokens, False

        async def watch(race: Race) -> None:
            nonlocal called
            while not _over(race) and not called:
                called = token in also.held()
                await asyncio.sleep(POLL_INTERVAL_S)
            if called and self.poll_call is not None:
                await _overtaken(race, QuietPeriod(race, self.patience, self.poll_call))
            also.release()

        self._expect([call])
        also.prepare([token])
        also.hold()
        try:
            race = await run_requests(self.app, [call], ANSWER_LIMIT_S, companion=watch, poll_call=self.poll_call)
        finally:
            also.release()
        await self._check_count()
        if not called:
            raise AnswerFault(DiagnosisKind.KEPT_FROM_BEFORE, messages.kept(call, self.endpoint.also))
        return race

    async def _held(self, call: CheckRequest) -> tuple[Race, set[str], bool]:
        """Send one request and hold each reply for a moment.

        Return (race, tokens of the calls, whether it was answered while a reply was held). A reply is held until a canary was
        answered, or for `SINGLE_HOLD_S` as long as the poll call is unknown, without which a stuck loop can't be recognised.
        """
        seen, released = set(), set()

        async def watch(race: Race) -> None:
            while race.began is None:
                await asyncio.sleep(POLL_INTERVAL_S)
            while race.end is None:
                everything = self.service.held()
                held = [token for token in everything if token in call.tokens]
                if held and not _over(race):
                    seen.update(held)
                    quiet = QuietPeriod(race, self.patience, self.poll_call)
                    while self.poll_call is None and quiet.seconds < SINGLE_HOLD_S and not _over(race):
                        await asyncio.sleep(POLL_INTERVAL_S)
                    if self.poll_call is not None:
                        await _overtaken(race, quiet)
                    if not _over(race):
                        released.update(held)
                # a call that this request doesn't need is released at once
                if going := [token for token in everything if token in held or token not in call.tokens]:
                    self.service.release(going)
                await asyncio.sleep(POLL_INTERVAL_S)

        self.service.prepare(list(call.tokens))
        self.service.hold()
        try:
            race = await run_requests(
                self.app,
                [call],
                ANSWER_LIMIT_S + self._working(1),
                companion=watch,
                poll_call=self.poll_call,
                held=True,
            )
        finally:
            self.service.release()
        return race, seen, bool(seen - released)

    async def _alone(self) -> Verdict | None:
        """Return the failing `Verdict` if a single request, or a repeated one for a cached reply, blocks the loop; else None.

        A handler must not be able to tell from the number of requests that it's being raced.
        """
        (call,) = await self._calls(1)
        races = [(await self._held(call))[0]]
        self._earlier = call
        if self.endpoint.cached:
            races.append(await self._again(call))
        if self.also:
            races.append(await self._also_again(call, self.also))
        for race in races:
            if fault := blocked(race, samples.decode_samples(race), self.poll_call, self.service.computes):
                return fault
        return await self._called_too_often()

    async def warm_up(self) -> None:
        """Open connections, start the threads of pools, and import what is imported on first use."""
        calls = await self._calls(self.endpoint.raced)
        limit = ANSWER_LIMIT_S + max(self._working(len(calls)), COLD_START_FACTOR * self._working(1))
        race = await run_requests(self.app, calls, limit, at=[IDLE_S[0]] * len(calls))
        if self.endpoint.cached:
            await self._again(calls[0])
        self.poll_call = await find_poll_syscall(self.app, race)
        if self.endpoint.late is not None:
            self._further = GivingUp(self.app, self.endpoint, self.service, self._calls, self._quiet, self.poll_call)
        elif self.endpoint.refused is not None:
            self._further = Refusal(
                self.app, self.endpoint, self.service, self._refused_call, self._quiet, self.poll_call
            )

    def _quiet(self, race: Race, patience: float | None = None) -> QuietPeriod:
        """Return a `QuietPeriod` that begins once no started program has yet to call the service."""
        patience = self.patience if patience is None else patience
        return quiet_period(self.app, self.service, race, patience, self.poll_call)

    def _working(self, count: int) -> float:
        """Return how many seconds ``count`` requests get for CPU-bound work."""
        return WORK_S * count * self.endpoint.upstream_calls if self.service.computes else 0.0

    async def trial(self, show: bool = False) -> Trial:
        """Run one race, or two of different sizes. If nothing is decided, the next trial waits longer for missing calls.

        A single request is sent before the first race, and again in each trial until it shows no fault.
        """
        if not show and self.judges_single and self._alone_next:
            if fault := await self._alone():
                return Trial(fault)
            self._alone_next = False
        met = await run_at_each_size(self.endpoint, show, self._meeting)
        # a race that is shown comes first: its picture explains the rest
        if show and self.judges_single and not met.fault and (fault := await self._alone()):
            return Trial(fault)
        if met.proved and self._further:
            met = await self._further.trial(self._gathering_s)
            if fault := await self._called_too_often():
                return Trial(fault)
            if met.proved:
                self._further = None
        if met.fault or not met.proved or not self._hold_next:
            return met
        held = await self._hold_one_long(SHOWN_HOLD_S if show else HOLD_S)
        self._hold_next = not held.proved
        return held

    async def _hold_one_long(self, seconds: float) -> Trial:
        """Return the `Trial` of one race in which the first reply is held for ``seconds``."""
        # repeat an earlier request if replies must not be cached: a cached reply shows now
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
                poll_call=self.poll_call,
                on_order=range(1, len(calls)),
                held=True,
            )
        finally:
            self.service.release()
        if fault := blocked(race, samples.decode_samples(race), self.poll_call, self.service.computes):
            return Trial(fault)
        if fault := await self._called_too_often():
            return Trial(fault)
        if not holding.called:
            request = race.requests[FIRST]
            if first is self._earlier and request.status == 200 and request.ended_at < happened(holding.released):
                # a new call would have been held, and its request with it
                text = messages.kept(first, self.endpoint.service)
                return Trial(Verdict(Outcome.FAIL, DiagnosisKind.KEPT_FROM_BEFORE, text))
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
            # if only one piece of work is allowed at a time, an equal request may wait as any other
            if not shared and self.endpoint.barrier != "loop" and holding.missed_again:
                return Trial(
                    Verdict(Outcome.FAIL, DiagnosisKind.ONE_AT_A_TIME, messages.same_one_at_a_time(self.endpoint))
                )
            if shared or self.endpoint.barrier != "loop":
                return Trial()
        if len(calls) > OTHER and not holding.overtaken:
            if holding.together(race) and self.endpoint.raced <= 2:
                # a lock may have passed such a small race by chance
                return Trial(served_in_turns(1, self.endpoint.raced))
            if holding.together(race):
                return Trial(
                    Verdict(Outcome.FAIL, DiagnosisKind.ANSWERED_TOGETHER, messages.answered_together(self.endpoint))
                )
            return Trial()
        return Trial(proved=holding.held_s >= seconds)

    async def _meeting(self, count: int, show: bool) -> Trial:
        calls = await self._calls(count)
        meeting = HeldReplies(self.app, self.service, calls, self.patience, self.endpoint.barrier, self.poll_call)
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
                poll_call=self.poll_call,
                held=True,
            )
        finally:
            self.service.release()
        self._gathering_s = meeting.met_s
        fault = blocked(race, samples.decode_samples(race), self.poll_call, self.service.computes)
        # if a limit admits a few at a time, these compute together, and the loop gets less of the GIL than in a race without a limit
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
            # the last reply was released then; requests that had their reply earlier had even more time
            if late := overlap.late(race, samples.decode_samples(race), [happened(meeting.released)] * len(calls)):
                return Trial(answered_late(calls[late[0].key], late[1]))
        if meeting.in_turns:
            return Trial(self._in_turns(meeting.together_before_release, calls))
        if meeting.all_met and meeting.independent is False:
            self._all_waited += meeting.all_wait
            # once may be chance: a lock may happen to serve the last one first
            if meeting.all_wait and self._all_waited > 1:
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
        found = served_in_turns(sum(each), len(calls), self.endpoint.upstream_calls)
        if found.kind == DiagnosisKind.FEW_AT_A_TIME and self.endpoint.also:
            return replace(found, diagnosis=found.diagnosis + messages.held_meanwhile(self.endpoint.also))
        return found


class HeldReplies:
    """Holds the replies of one race, and records what it saw.

    ``all_met``: all wanted tokens were held at one moment, ``met_s`` seconds after the race had begun. ``overtaken``: a
    canary was answered while they were.
    ``independent``: the requests were answered one by one in the order, chosen by the judge, in which their replies were
    released; False if one wasn't, although the loop was alive; None if that wasn't seen. (A request that has made its call
    doesn't necessarily wait for the reply yet.)
    ``passed``: the tokens that were overtaken by a canary while they were held.
    ``together``: the largest set of tokens held at one moment; ``together_before_release``: the largest before any release.
    ``in_turns``: after a long quiet period with a loop that was alive, each new call came only after a release.
    """

    def __init__(
        self,
        app: Server,
        service: Service,
        calls: list[CheckRequest],
        patience: float,
        barrier: str,
        poll_call: str | None,
    ) -> None:
        self.app = app
        self.service = service
        self.barrier = barrier
        self.poll_call = poll_call
        self.calls = calls
        self.wanted = {token for call in calls for token in call.tokens}
        self.patience = patience
        self.all_met = self.overtaken = self.in_turns = False
        self.met_s = 0.0
        self.independent: bool | None = None
        self.listening: int | None = None
        self.all_wait = False
        # the order of release for requests with several calls: a lock serves them in one of two orders
        self.newest_first = False
        self.passed: set[str] = set()
        self.together: set[str] = set()
        self.together_before_release: set[str] = set()
        self.seen: set[str] = set()
        self.held_at_last: set[str] = set()
        self.released: float | None = None  # when the last reply was released, in seconds since the race began

    async def hold(self, race: Race) -> None:
        """Run during a race, until all its requests are answered."""
        while race.began is None:
            await asyncio.sleep(POLL_INTERVAL_S)
        if self.barrier == "loop":
            await self._release_after_probe(race)
        else:
            alive = await self._wait_for_all(race)
        if self.all_met:
            self.overtaken = await self._canary_answered(race)
            if self.service.computes:
                await self._release_one_at_a_time(race)
            else:
                await self._release_in_random_order(race)
        elif not _over(race) and self.barrier != "loop":
            self.in_turns = alive
            self.together_before_release = set(self.together)
            await self._drain(race)
        # taken before the release, so that a request answered by then was answered while its reply was held
        if self.released is None:
            self.released = time.perf_counter() - race.began_at
        self.held_at_last = set(self.service.held())
        self.service.release()

    def first_unasked_call(self, race: Race) -> CheckRequest | None:
        """Return the first request that was answered too early: without its call, or while its reply was held."""
        for request, call in zip(race.requests, self.calls, strict=True):
            early = self.released is None or request.ended_at < self.released
            if early and (not self.seen.issuperset(call.tokens) or self.held_at_last.intersection(call.tokens)):
                return call
        return None

    @property
    def proved(self) -> bool:
        """True if this race has shown what the endpoint's ``barrier`` requires."""
        if self.barrier == "loop":
            return self.passed >= self.wanted
        return bool(self.all_met and self.overtaken and self.independent)

    def _all_here(self, held: list[str]) -> bool:
        if self.barrier == "places":
            return len(self.wanted.intersection(held)) >= len(self.calls)
        return self.wanted <= set(held)

    def _held(self) -> list[str]:
        held = self.service.held()
        # a call that no request needs doesn't count, and must not block the others
        if strays := [token for token in held if token not in self.wanted]:
            self.service.release(strays)
            held = [token for token in held if token in self.wanted]
        self.seen.update(held)
        if len(held) > len(self.together):
            self.together = set(held)
        return held

    def _quiet(self, race: Race) -> QuietPeriod:
        return quiet_period(self.app, self.service, race, self.patience, self.poll_call)

    async def _wait_for_all(self, race: Race) -> bool:
        """Wait until all calls are held, or no new one has come for a while, or a request is answered without a release.

        Return True if the loop was alive meanwhile.
        """
        quiet, seen = self._quiet(race), 0
        while not any(request.end is not None for request in race.requests):
            held = self._held()
            if self._all_here(held):
                self.all_met = True
                self.met_s = time.perf_counter() - race.began_at
                break
            if len(held) != seen:
                quiet.restart()
                seen = len(held)
            if quiet.over:
                break
            await asyncio.sleep(POLL_INTERVAL_S)
        return quiet.alive

    async def _canary_answered(self, race: Race) -> bool:
        """Return True as soon as a canary that is sent from now on is answered, while no reply is released."""
        return await _overtaken(race, QuietPeriod(race, self.patience, self.poll_call))

    async def _release_after_probe(self, race: Race) -> None:
        """Release each reply as soon as a canary was answered while it was held. The calls needn't come together."""
        while not _over(race):
            held = self._held()
            if not held:
                await asyncio.sleep(POLL_INTERVAL_S)
                continue
            if not await self._canary_answered(race):
                return  # one call that wasn't overtaken is enough: this race proves nothing
            self.passed.update(held)
            self.service.release(held)

    async def _release_one_at_a_time(self, race: Race) -> None:
        """Release the replies of one request at a time, the newest first, so that no other one computes meanwhile.

        The next one follows when that request is answered or makes another call.
        """
        while not _over(race):
            held = self._held()
            if not held:
                await asyncio.sleep(POLL_INTERVAL_S)
                continue
            answered = self._answered(race)
            going = next((list(call.tokens) for call in self.calls if held[-1] in call.tokens), held[-1:])
            self.service.release(going)
            left = set(held).difference(going)
            while self._answered(race) == answered and not set(self._held()) - left:
                if race.end is not None:
                    return
                await asyncio.sleep(POLL_INTERVAL_S)
            if left and self._answered(race) > answered:
                self.independent = True

    def _answered(self, race: Race) -> int:
        return sum(request.end is not None for request in race.requests)

    async def _release_in_random_order(self, race: Race) -> None:
        """Release one request at a time: each must be answered while the others are still held.

        With a lock around only the wait, all requests make their calls, but they're answered in an order that isn't the
        judge's: that of arrival, or the reverse (a busy Redis replies to the last client first).
        """
        for number in self._order()[:-1]:
            answered, quiet = self._answered(race), self._quiet(race)
            self.service.release(list(self.calls[number].tokens))
            while self._answered(race) == answered:
                if quiet.over:
                    if quiet.alive:
                        await self._release_until_one_answers(race, number)
                    return
                await asyncio.sleep(POLL_INTERVAL_S)
        self.independent = True

    def _order(self) -> list[int]:
        """Return the numbers of the requests in a random order of release, but neither that of arrival nor the reverse.

        Requests that make several calls are released in these two orders, each in turn.
        """
        came = self._in_order_of_arrival()
        if len(self.calls) > 2 * RACE_SIZE:
            # the last to come may still wait for a thread of a pool, which each answered request frees: release those first
            return came[::-1]
        if len(self.wanted) == len(self.calls):
            return _any_order(came)
        return came[::-1] if self.newest_first else came

    def _in_order_of_arrival(self) -> list[int]:
        place = {token: i for i, token in enumerate(self.service.held())}
        return sorted(range(len(self.calls)), key=lambda n: min(place.get(token, 0) for token in self.calls[n].tokens))

    async def _release_until_one_answers(self, race: Race, number: int) -> None:
        """No request was answered when that call was released: release the others one by one until one is.

        If another one is answered first, request ``number`` had to wait for it. ``listening`` is then the largest number of
        requests that can have waited for their replies, and ``all_wait`` is True if none was answered before the last release.
        """
        waiting = [n for n in self._in_order_of_arrival() if race.requests[n].end is None and n != number]
        # a lock serves in the order of arrival or in reverse: so release last one that came neither first nor last
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
            quiet = QuietPeriod(race, 0.0, self.poll_call)
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
            # with two requests the other one is always the last, which may also be due to a lock
            self.all_wait = last and none_before and not large and len(self.calls) > 2

    async def _drain(self, race: Race) -> None:
        """Release one reply at a time. New calls must come only after a release, and never make more than were held before.

        Only requests at the same of their calls are compared: a request may already make its next call when another comes.
        """
        most = self._abreast(self.together_before_release)
        while not _over(race):
            held = self._held()
            if self._abreast(held) > most:
                self.in_turns = False  # more at once after all: the machine had delayed them
            if not held:
                await asyncio.sleep(POLL_INTERVAL_S)
                continue
            self.service.release(held[:1])
            if self.wanted <= self.seen:
                return  # all have come: no new call can change the result
            await self._newcomer_or_quiet(race, set(held))

    def _abreast(self, tokens: Iterable[str]) -> int:
        """Return the largest number of requests that are at the same of their calls."""
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


def quiet_period(app: Server, service: Service, race: Race, patience: float, poll_call: str | None) -> QuietPeriod:
    """Return a `QuietPeriod`. If programs call the service, it begins once no started program has yet to call it."""

    def on_its_way() -> bool:
        """Return True if the app has a process whose call isn't held: it hasn't called yet, or has its reply and is ending."""
        return leaves(app.pid) > len(service.held())

    return QuietPeriod(race, patience, poll_call, on_its_way if service.spawns else None)


def _over(race: Race) -> bool:
    return race.end is not None or all(request.end is not None for request in race.requests)


async def _overtaken(race: Race, quiet: QuietPeriod) -> bool:
    """Return True as soon as a canary that is sent from now on is answered, False if the loop answers none for a while."""
    now = time.perf_counter() - race.began_at
    while quiet.seconds < 2 * quiet.patience and not quiet.stuck and not _over(race):
        if any(c.answered and c.start >= now for c in race.canaries):
            return True
        await asyncio.sleep(POLL_INTERVAL_S)
    return False


def _any_order(tokens: list[int]) -> list[int]:
    """Return the numbers in a random order, which for three or more is neither the given one nor its reverse."""
    order = list(tokens)
    while len(tokens) > 2 and order in (tokens, tokens[::-1]):
        random.shuffle(order)
    return order
