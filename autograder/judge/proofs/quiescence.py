"""How long to wait for something that may never come, measured by canaries, which a busy machine delays as it does the app."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.lab.race import Race

POLL_INTERVAL_S = 0.005  # s between two polls of what a service holds
INITIAL_QUIET_S = 0.5  # s without a new call after which missing calls count as held back, in the first trial
MAX_QUIET_S = 8.0  # s, the same in later trials, at most
# share of the patience after which a loop counts as stuck if it sleeps, without a break, outside its poll call
STUCK_SHARE = 0.4
ALIVE_MIN_CANARIES = 10  # canaries that must be answered in that time; a slow app answers them slowly as well


class QuietPeriod:
    """A period of a running race in which nothing changes. Call `restart` at each change.

    ``poll_call`` is the system call in which the loop waits for work, if it's known. ``unsettled()`` returns True while something
    is in progress that only needs a CPU; the period doesn't begin before it's done, or before `MAX_QUIET_S` have passed.
    """

    def __init__(
        self, race: Race, patience: float, poll_call: str | None = None, unsettled: Callable[[], bool] | None = None
    ) -> None:
        self._race = race
        self.patience = patience
        self._poll_call = poll_call
        self._unsettled = unsettled
        self._made = time.perf_counter()
        self.restart()

    def restart(self) -> None:
        """Begin the period again, because something has changed."""
        self._since = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the last change."""
        return time.perf_counter() - self._since

    @property
    def canaries(self) -> int:
        """The number of canaries that were sent and answered since the last change."""
        since = self._since - self._race.began_at
        return sum(c.answered and c.start >= since for c in self._race.canaries)

    @property
    def alive(self) -> bool:
        """True if the loop has answered many canaries since the last change."""
        return self.canaries >= ALIVE_MIN_CANARIES

    @property
    def stuck(self) -> bool:
        """True if the loop has slept for long since the last change, without a break, outside its poll call.

        That ends a wait. It proves nothing by itself.
        """
        if self._poll_call is None or self._race.asleep is None:
            return False
        start, end, call = self._race.asleep
        # at least as long as the race before it: on a busy machine that was slow as well
        enough = max(STUCK_SHARE * self.patience, start)
        return call != self._poll_call and end - max(start, self._since - self._race.began_at) >= enough

    @property
    def over(self) -> bool:
        """True if it was quiet for long enough, measured in canaries for a loop that answers them, else in seconds."""
        if self.stuck:
            return True
        if self._unsettled and time.perf_counter() - self._made < MAX_QUIET_S and self._unsettled():
            self.restart()
            return False
        return self.seconds >= self.patience and (self.alive or self.seconds >= 2 * self.patience)
