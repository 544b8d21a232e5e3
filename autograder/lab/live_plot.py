"""Redraws the timeline in the notebook while a race runs.

The load generator and the served app are other processes, so drawing costs them nothing but CPU time. The picture is
rendered in a low-priority thread and displayed by the loop, which keeps the notebook's own loop free too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from autograder.lab import progress, timeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from IPython.display import DisplayHandle

    from autograder.lab.race import Race


REDRAW_EVERY = 0.05  # s
LIVE_DPI = 80


def possible() -> bool:
    """Return True in a notebook, where a picture can be updated."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def show(data: Mapping[str, str]) -> DisplayHandle | None:
    """Display a bundle of MIME types in the notebook, and return the display's handle. Elsewhere, do nothing."""
    if not possible():
        return None
    from IPython.display import display

    return display(data, raw=True, display_id=True)


def side_by_side(before: Race, after: Race, titles: Sequence[str] = ("before", "after")) -> None:
    """Show two races on one time scale in the notebook, with their sentences below."""
    text = f"{titles[0]}: {before.sentence}\n{titles[1]}: {after.sentence}"
    show(timeline.bundle(timeline.compare(before, after, titles), text))


class Drawing:
    """The picture of one race, from its first request to its end."""

    def __init__(self, race: Race) -> None:
        self.race = race
        self.frames = 0
        self._handle: DisplayHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._shown = contextlib.ExitStack()

    def start(self) -> None:
        """Start drawing, in a task of the running loop."""
        self._shown.enter_context(progress.pictured())
        self._task = asyncio.get_running_loop().create_task(self._draw())

    async def finish(self) -> None:
        """Replace the live picture with the final one."""
        self._shown.close()
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._show(await asyncio.to_thread(self._last_frame))

    def _last_frame(self) -> dict[str, str]:
        return timeline.bundle(self.race.picture(), self.race.sentence, caption=self.race.caption)

    async def _draw(self) -> None:
        while True:
            started = time.perf_counter()
            if self.race.began is not None:
                picture = await asyncio.to_thread(self._frame, started - self.race.began)
                self._show(picture)
                self.frames += 1
            await asyncio.sleep(max(REDRAW_EVERY - (time.perf_counter() - started), 0.005))

    def _frame(self, now: float) -> dict[str, str]:
        yield_cpu()
        return timeline.bundle(self.race.picture(now), f"{self.race.name}: {now:.1f} s so far.", LIVE_DPI)

    def _show(self, data: Mapping[str, str]) -> None:
        if self._handle is None:
            self._handle = show(data)
        else:
            self._handle.update(data, raw=True)


def yield_cpu() -> None:
    """Give this thread the lowest scheduling priority, where the system supports that (Linux)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)
