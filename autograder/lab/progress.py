"""A progress line under a cell that runs for longer than a second: how long it has run, and what it's doing.

A race has its live picture instead. The line disappears when the cell ends.
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


AFTER = 1.0  # s until the line appears, and between its updates
_doing: list[str] = []  # the current activities, the innermost last
_pictures = 0  # the number of live pictures


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Show ``what`` in the line, such as "judging price", during the ``with`` block."""
    _doing.append(what)
    try:
        yield
    finally:
        _doing.remove(what)


@contextlib.contextmanager
def pictured() -> Iterator[None]:
    """Don't start a line during the ``with`` block, because a live picture shows the progress."""
    global _pictures
    _pictures += 1
    try:
        yield
    finally:
        _pictures -= 1


class Line:
    """The progress line of each cell that runs in ``shell`` from now on."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)
        self._begin()

    def _begin(self, info: object = None) -> None:
        self._end()
        self._over = threading.Event()
        # the output belongs to the cell with this context
        show = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=show, args=(self._watch, self._over), name="course-progress", daemon=True
        )
        self._thread.start()

    def _end(self, result: object = None) -> None:
        if self._thread is not None:
            self._over.set()
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
