"""How long to wait for what may never come: in the app's own time, which a busy machine slows down with the app."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.lab.race import Race

POLL_INTERVAL_S = 0.005  # s between two looks at what a service holds
INITIAL_QUIET_S = 0.5  # s without a newcomer before the rest is taken to be held back, at first
MAX_QUIET_S = 8.0  # s
STUCK = 0.4  # share of the patience that a loop is given which sleeps, all the time, where it does not wait for work
ALIVE_MIN_CANARIES = 10  # canaries that must be answered in that time: an app that is slow answers them slowly as well


class QuietPeriod:
    """A time in which nothing changes, beside a race that goes on; `restart` it at each change.

    ``rest`` is the system call in which the loop waits for work, if that is known.  While ``unsettled()`` something is known
    to be under way that only needs a CPU: the time begins when it has had it, at the latest after `MAX_QUIET_S`.
    """

    def __init__(
        self, race: Race, patience: float, rest: str | None = None, unsettled: Callable[[], bool] | None = None
    ) -> None:
        self._race = race
        self.patience = patience
        self._rest = rest
        self._unsettled = unsettled
        self._made = time.perf_counter()
        self.restart()

    def restart(self) -> None:
        """Something has changed."""
        self._since = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the last change."""
        return time.perf_counter() - self._since

    @property
    def canaries(self) -> int:
        """How many canaries were sent and answered since the last change."""
        since = self._since - self._race.began_at
        return sum(c.answered and c.start >= since for c in self._race.canaries)

    @property
    def alive(self) -> bool:
        """True if the loop has answered many canaries since the last change."""
        return self.canaries >= ALIVE_MIN_CANARIES

    @property
    def stuck(self) -> bool:
        """True if the loop has slept for long since the last change, in one piece, and not where it waits for work.

        That ends a wait, and proves nothing by itself.
        """
        if self._rest is None or self._race.asleep is None:
            return False
        start, end, call = self._race.asleep
        # no shorter than all that came before it: where a busy machine made that slow, this sleep is still the longest
        enough = max(STUCK * self.patience, start)
        return call != self._rest and end - max(start, self._since - self._race.began_at) >= enough

    @property
    def over(self) -> bool:
        """True if it was quiet for long enough: a loop that answers is given its own ticks, one that does not, seconds."""
        if self.stuck:
            return True
        if self._unsettled and time.perf_counter() - self._made < MAX_QUIET_S and self._unsettled():
            self.restart()
            return False
        return self.seconds >= self.patience and (self.alive or self.seconds >= 2 * self.patience)
