"""One reply is held for longer than a second, while the same thing is requested again and another request comes and goes.

This shows what four requests that arrive at the same moment cannot: a limit that's too short for a slow service, a cached
value that is returned because the service is slow, requests that share one call, responses that are sent together, and
code that blocks the loop now and then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from autograder.judge.proofs.quiescence import ALIVE_MIN_CANARIES, POLL_INTERVAL_S, QuietPeriod
from autograder.judge.spec.endpoint import CheckRequest
from autograder.lab.load_generator_client import load_generator
from autograder.lab.race import Race
from autograder.programs.messages.races import Send
from autograder.services import Service

HOLD_S = 1.2  # s that the first reply is held: longer than a timeout of one second, which is common
SHOWN_HOLD_S = 0.3  # s in the visible check, which should take no more than a second in all
FIRST, AGAIN, OTHER = range(3)  # the requests: something, the same once more, and something else


class LongHold:
    """Holds the reply to the first of up to three requests, and records what it saw.

    ``calls`` are the requests `FIRST`, `AGAIN` and, where there is one, `OTHER`.  The second is sent when the call of the
    first has reached the service; the third when the call of the second has, or when it evidently doesn't come.  The third
    gets its reply at once.

    ``called``: the first request's call was held.  ``called_again``: the second one's was as well, at the same moment.
    ``again_alive``: the loop answered canaries while the second call was waited for in vain.
    ``held_s``: for how long the first reply was held.  ``overtaken``: the third request was answered meanwhile.
    ``alive``: the loop answered canaries while the third request was waited for in vain.  ``released`` and
    ``other_released``: when the replies were released, in seconds since the race began.
    """

    def __init__(
        self,
        service: Service,
        calls: list[CheckRequest],
        hold_s: float,
        quiet: Callable[[Race], QuietPeriod],
    ) -> None:
        self.service = service
        self.calls = calls
        self.hold_s = hold_s
        self._quiet = quiet
        self._sent = {FIRST}
        self.called = self.called_again = self.again_alive = self.overtaken = self.alive = False
        self.held_s = 0.0
        self.released: float | None = None
        self.other_released: float | None = None

    async def hold(self, race: Race) -> None:
        """Run during a race, until everything is released."""
        while race.began is None:
            await asyncio.sleep(POLL_INTERVAL_S)
        try:
            await self._steps(race)
        finally:
            self.released = time.perf_counter() - race.began_at
            self.service.release()
            for number in range(len(self.calls)):
                self._send(number)

    async def _steps(self, race: Race) -> None:
        # each call, because two readers of one file that isn't open yet would share what is written; work may come in turns
        needed = any if self.service.computes else all
        await self._until(race, lambda: needed(token in self.service.held() for token in self.calls[FIRST].tokens))
        self.called = self._held(FIRST) >= 1
        if not self.called:
            return
        since = time.perf_counter()
        self._send(AGAIN)
        self.called_again, self.again_alive = await self._until(race, lambda: self._held(FIRST) >= 2)
        if len(self.calls) > OTHER:
            self._send(OTHER)
            await self._serve_other(race)
        while not self._ended(race, FIRST):
            self.held_s = time.perf_counter() - since
            # a busy machine gets more time: the loop must have run while the reply was held
            if self.held_s >= self.hold_s and self._canaries(race, since) >= ALIVE_MIN_CANARIES:
                return
            if self.held_s >= 4 * self.hold_s:
                return
            if len(self.calls) > OTHER:
                self._release_other(race)
                self.overtaken = self.overtaken or self._ended(race, OTHER)
            self.called_again = self.called_again or self._held(FIRST) >= 2
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _serve_other(self, race: Race) -> None:
        quiet, before = self._quiet(race), False
        while not self._ended(race, OTHER) and not self._ended(race, FIRST):
            if self._release_other(race) and not before:
                before = True
                quiet.restart()
            if quiet.over:
                self.alive = quiet.alive
                return
            await asyncio.sleep(POLL_INTERVAL_S)
        self.overtaken = self._ended(race, OTHER) and not self._ended(race, FIRST)

    def _release_other(self, race: Race) -> bool:
        """Release what is held for the third request; True if something was."""
        held = [token for token in self.service.held() if token in self.calls[OTHER].tokens]
        if held:
            self.service.release(held)
            self.other_released = time.perf_counter() - race.began_at
        return bool(held)

    async def _until(self, race: Race, seen: Callable[[], bool]) -> tuple[bool, bool]:
        """Wait until ``seen()``. Return (whether it became true, whether the loop was alive meanwhile).

        The wait ends without it if nothing happens for a while, or if the first request is answered.
        """
        quiet = self._quiet(race)
        while not quiet.over and not self._ended(race, FIRST):
            if seen():
                break
            await asyncio.sleep(POLL_INTERVAL_S)
        return seen(), quiet.alive

    def _held(self, number: int) -> int:
        """Return the largest number of calls that are held for one token of a request."""
        held = self.service.held()
        # a call that no request needs must not block the others
        if strays := set(held).difference(*(call.tokens for call in self.calls)):
            self.service.release(list(strays))
        return max(held.count(token) for token in self.calls[number].tokens)

    def _send(self, number: int) -> None:
        if number not in self._sent and number < len(self.calls):
            self._sent.add(number)
            load_generator().order(Send(number))

    @staticmethod
    def _ended(race: Race, number: int) -> bool:
        return race.requests[number].end is not None

    @staticmethod
    def _canaries(race: Race, since: float) -> int:
        start = since - race.began_at
        return sum(canary.answered and canary.start >= start for canary in race.canaries)

    @property
    def missed_again(self) -> bool:
        """True if the second request didn't call the service while the first reply was held, although the loop was free."""
        return self.called and not self.called_again and self.again_alive and self.held_s >= self.hold_s

    def together(self, race: Race) -> bool:
        """True if the third request was answered only together with those whose reply was held."""
        if self.overtaken or not self.alive or self.released is None or self.other_released is None:
            return False
        # a request that works on after its reply ends as long after it as the first one does, which is no queue
        first, other = race.requests[FIRST].ended_at, race.requests[OTHER].ended_at
        return other >= first - (self.released - self.other_released) / 2
