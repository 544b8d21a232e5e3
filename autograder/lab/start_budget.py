"""Decides whether an app that hasn't finished starting ever will, by what its process does instead of wall-clock time.

On a busy machine a start can take a hundred times as long as on an idle one, so wall-clock time says little. What counts is
the CPU time of the process, and the time in which it slept by its own choice. Both counts restart when the process makes
progress, which means that it has imported another module. The process reports that itself and could forge it, so the whole
start has a budget of `TOTAL` times as much, with or without progress.
"""

import time
from collections.abc import Sequence

from autograder.errors import UserFacingError
from autograder.programs.procfs import descendants, process_times

START_LIMIT_S = 30.0  # s of CPU time, or of its own sleep, without progress: an app of the course needs two
TOTAL = 8  # times the limit for a whole start: large libraries may need several
GIVE_UP_S = 1200.0  # s of wall-clock time after which the machine counts as too busy
POLL_MAX_S = 0.5  # s: longer gaps between two observations are due to the machine, and count only as this


class StartTimeout(UserFacingError, TimeoutError):
    """The machine is too busy to start an app, which is never the app's fault. An `OSError`, so that the judge retries."""


class StartBudget:
    """What a starting process has spent since it last made progress. ``limit`` is in seconds, for each of the two counts.

    Call `observe` several times a second.  Without a ``/proc``, wall-clock time counts as its own sleep.
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
        """Return "computing" or "sleeping" if that budget is spent, else "". ``modules`` is how many it has imported.

        Raises `StartTimeout` after `GIVE_UP_S`.
        """
        now = time.monotonic()
        passed, self._last = min(now - self._last, POLL_MAX_S), now
        state, cpu = process_times(self.pid)
        others = [process_times(child) for child in descendants(self.pid, zombies=True)] if state else []
        # its children count as well: of two hundred forks that share the CPUs, none spends much
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
    """Return True if a process in this state waits only because of its own code; ``others`` are its children's states.

    The letters are Linux's (proc(5)). T: stopped by a signal, which the course never sends. Z: its first thread has ended. D
    waits for a disk, which is due to the machine, or for a child of vfork(2), whose state then counts.
    """
    if any(letter in ("R", "D") for letter in others):
        return False
    return state in ("S", "T", "t", "Z") or (state == "D" and any(letter in ("S", "T") for letter in others))
