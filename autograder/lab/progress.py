"""A line under a cell that runs for longer than a second: for how long, and what it is doing.

A race has its live picture instead.  The line is gone when the cell has ended.
"""

from __future__ import annotations

import contextlib
import contextvars
import html
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell


AFTER = 1.0  # s, and from then on as often
_doing: list[str] = []  # what is being done, the innermost last
_pictures = 0  # that are being drawn live


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Say ``what`` in the line, as "judging price", for as long as the block lasts."""
    _doing.append(what)
    try:
        yield
    finally:
        _doing.remove(what)


@contextlib.contextmanager
def pictured() -> Iterator[None]:
    """For as long as the block lasts a picture shows that something goes on: no line is begun."""
    global _pictures
    _pictures += 1
    try:
        yield
    finally:
        _pictures -= 1


class Line:
    """The line of the cell that is running in ``shell``; it watches one cell after the other from now on."""

    _over: threading.Event | None
    _thread: threading.Thread | None

    def __init__(self, shell: InteractiveShell) -> None:
        self._over = self._thread = None
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)
        self._begin()

    def _begin(self, info: object = None) -> None:
        self._end()
        self._over = threading.Event()
        # what is shown belongs to the cell whose context it is
        show = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=show, args=(self._watch, self._over), name="course-progress", daemon=True
        )
        self._thread.start()

    def _end(self, result: object = None) -> None:
        if self._thread is not None:
            self._over.set()  # type: ignore[union-attr]
            self._thread.join()
            self._thread = None

    def _watch(self, over: threading.Event) -> None:
        from IPython.display import display

        began, handle = time.perf_counter(), None
        while not over.wait(AFTER):
            text = f"{time.perf_counter() - began:.0f} s" + (f": {_doing[-1]}" if _doing else "")
            data = {"text/html": f'<small style="padding-left:8px">{html.escape(text)}</small>', "text/plain": text}
            if handle is not None:
                handle.update(data, raw=True)
            elif not _pictures:
                handle = display(data, raw=True, display_id=True)
        if handle is not None:
            handle.update({"text/html": "", "text/plain": ""}, raw=True)
