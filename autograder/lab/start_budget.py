"""Decides whether an app that has not finished starting ever will: by what its process does, not by the clock.

On a busy machine a start takes a hundred times as long as on an idle one, so seconds by the clock say nothing.  What the
process has spent does: CPU time, and time in which it slept of its own accord.  Both are counted anew whenever it makes
progress, that is, whenever it has imported another module.  It says so itself, and so could forge it: the whole start has a
budget of `TOTAL` times as much, progress or not.
"""

import time
from collections.abc import Sequence

from autograder.errors import UserFacingError
from autograder.programs.procfs import descendants, process_times

START_LIMIT_S = 30.0  # s of CPU, or of its own sleep, without progress: an app of the course needs two
TOTAL = 8  # budgets of a whole start: a large library may take several
GIVE_UP_S = 1200.0  # s by the clock after which the machine is called too busy
POLL_MAX_S = 0.5  # s: longer gaps between two observations are the machine's, and count as much as this


class StartTimeout(UserFacingError, TimeoutError):
    """The machine is too busy to start an app; never the app's fault.  An `OSError`, so that the judge tries again."""


class StartBudget:
    """What a starting process has spent since it last made progress; ``limit`` in seconds of either kind.

    Call `observe` several times a second.  Where the system has no ``/proc``, seconds by the clock count as its own sleep.
    """

    def __init__(self, pid: int, limit: float = START_LIMIT_S) -> None:
        self.pid = pid
        self.limit = limit
        self.cpu_s = 0.0
        self.asleep_s = 0.0
        self._began = self._last = time.monotonic()
        self._modules = 0
        self._asleep_total_s = 0.0
        self._cpu_at_progress = process_times(pid)[1] or 0.0

    def observe(self, modules: int) -> str:
        """Return "computing" or "sleeping" if the budget is spent in that way, else ""; ``modules``: how many it has imported.

        Raises `StartTimeout` when the machine has had `GIVE_UP_S`.
        """
        now = time.monotonic()
        passed, self._last = min(now - self._last, POLL_MAX_S), now
        state, cpu = process_times(self.pid)
        others = [process_times(child) for child in descendants(self.pid, zombies=True)] if state else []
        # what it has started counts as well: of two hundred forks that share the CPUs, none alone gets far
        cpu = (cpu or 0.0) + sum(spent or 0.0 for _, spent in others)
        if modules > self._modules:
            self._modules, self.asleep_s = modules, 0.0
            self._cpu_at_progress = cpu
        if state is not None:
            self.cpu_s = cpu - self._cpu_at_progress
        if state is None or _rests(state, [letter for letter, _ in others]):
            self.asleep_s += passed
            self._asleep_total_s += passed
        if self.cpu_s >= self.limit or cpu >= TOTAL * self.limit:
            return "computing"
        if self.asleep_s >= self.limit or self._asleep_total_s >= TOTAL * self.limit:
            return "sleeping"
        if now - self._began >= GIVE_UP_S:
            raise StartTimeout("The machine is too busy to start the app. Close other programs, then try again.")
        return ""


def _rests(state: str, others: Sequence[str | None]) -> bool:
    """True if a process in this state has nothing to wait for but itself; ``others`` are those that it has started.

    The letters are Linux's (proc(5)). T: stopped by a signal, which nothing of ours sends. Z: its first thread has ended. D is
    waiting for a disk, and so the machine's doing, or for a child of vfork(2): then it's the child that counts.
    """
    if any(letter in ("R", "D") for letter in others):
        return False
    return state in ("S", "T", "t", "Z") or (state == "D" and any(letter in ("S", "T") for letter in others))
