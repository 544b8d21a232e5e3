"""The proof for endpoints with several calls of which one fails: the response says so, and nothing is left running.

The service holds every reply of a request, refuses one call with an error, and keeps holding the others. So what has become of
them when the response comes is a fact: each is still held, or its client has gone.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from autograder.judge.diagnoses import messages
from autograder.judge.diagnoses.hints import uncaught_group
from autograder.judge.diagnoses.lesson_links import source
from autograder.judge.evidence import samples
from autograder.judge.proofs.certificates import blocked
from autograder.judge.proofs.left_calls import lasting, leave_limit
from autograder.judge.proofs.quiescence import POLL_INTERVAL_S
from autograder.judge.proofs.requests import ANSWER_LIMIT_S, run_requests
from autograder.judge.verdict import AnswerFault, DiagnosisKind, Outcome, Trial, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from autograder.judge.proofs.quiescence import QuietPeriod
    from autograder.judge.spec.endpoint import CheckRequest, Endpoint
    from autograder.lab.race import Race
    from autograder.lab.server import Server
    from autograder.services import Service

FIRST_QUIET_S = 0.3  # s without news, with a loop that answers canaries, after which the other replies are released
LONGEST_QUIET_S = 4.8  # s, the same in later trials, at most: on a busy machine a call takes long to reach the service


class Refusal:
    """Trials in which the service refuses one call of a request.

    ``new_call()`` makes a request with fresh values, and ``quiet_period(race, seconds)`` the measure of a wait for nothing.
    """

    def __init__(
        self,
        app: Server,
        endpoint: Endpoint,
        service: Service,
        new_call: Callable[[], Coroutine[Any, Any, CheckRequest]],
        quiet_period: Callable[[Race, float], QuietPeriod],
        poll_call: str | None,
    ) -> None:
        self.app = app
        self.endpoint = endpoint
        self.service = service
        self.new_call = new_call
        self.quiet_period = quiet_period
        self.poll_call = poll_call
        self.quiet_s = FIRST_QUIET_S
        self._trials = 0
        self._refused = self._released = False  # in the newest race

    async def trial(self, gathering_s: float) -> Trial:
        """Refuse each of a request's calls in turn, in random order. Raises `AnswerFault`.

        ``gathering_s`` is how long the calls of a race have lately taken to reach the service, in seconds.
        """
        self.quiet_s = min(max(self.quiet_s, 2 * gathering_s), LONGEST_QUIET_S)
        limit = leave_limit(self._trials)
        self._trials += 1
        proved = True
        places = range(self.endpoint.upstream_calls)
        for place in random.sample(places, len(places)):
            call = await self.new_call()
            self.service.hold()
            try:
                if fault := await self._race(call, place):
                    return Trial(fault)
                if not self._released and await lasting(self.service, set(call.tokens), limit):
                    text = messages.not_cancelled(self.endpoint, limit)
                    return Trial(Verdict(Outcome.FAIL, DiagnosisKind.LEFT_RUNNING, text))
            finally:
                self.service.release()
            proved = proved and self._refused
        self.quiet_s = min(2 * self.quiet_s, LONGEST_QUIET_S)
        return Trial(proved=proved)

    async def _race(self, call: CheckRequest, place: int) -> Verdict | None:
        """Send one request and refuse the call for its token number ``place``. Return a failing `Verdict`, or None.

        A call that is repeated is refused again. The other calls' replies are released if the request waits for them.
        """
        refused = call.tokens[place]
        others = [token for token in call.tokens if token != refused]
        raced: list[Race] = []

        async def watch(race: Race) -> None:
            raced.append(race)
            while race.began is None:
                await asyncio.sleep(POLL_INTERVAL_S)
            quiet = self.quiet_period(race, self.quiet_s)
            while race.end is None and race.requests[0].end is None:
                held = self.service.held()
                if strays := [token for token in held if token not in call.tokens]:
                    self.service.release(strays)
                if refused in held and len(held) - len(strays) >= len(call.tokens) - self._refused:
                    self.service.refuse([refused])
                    self._refused = True
                    quiet.restart()
                elif quiet.over and self._refused and not self._released:
                    self._released = True
                    self.service.release(others)
                elif quiet.over and not self._refused:
                    self.service.release()  # a call didn't come in time: this race proves nothing
                    return
                elif self._released:
                    self.service.release([token for token in held if token != refused])
                await asyncio.sleep(POLL_INTERVAL_S)

        self._refused = self._released = False
        try:
            await run_requests(
                self.app, [call], 2 * ANSWER_LIMIT_S, companion=watch, poll_call=self.poll_call, held=True
            )
        except AnswerFault as fault:
            found = fault.verdict
            if not self._refused:
                if found.kind == DiagnosisKind.WRONG_ANSWER:
                    return None  # the right answer to a request without an error
                raise
            if found.kind == DiagnosisKind.WRONG_ANSWER:
                text = messages.error_lost(self.endpoint, found.diagnosis)
                raise AnswerFault(DiagnosisKind.ERROR_LOST, text, found.line) from None
            if found.kind == DiagnosisKind.SERVER_ERROR:
                text = messages.refused(self.endpoint) + found.diagnosis
                text += uncaught_group(source(self.app.file).decode(errors="replace"))
                raise AnswerFault(DiagnosisKind.SERVER_ERROR, text, found.line) from None
            raise
        return blocked(raced[0], samples.decode_samples(raced[0]), self.poll_call, self.service.computes)
