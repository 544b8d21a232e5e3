"""Slow files: named pipes, whose readers wait until the service writes.

A non-blocking open of a pipe for writing succeeds only if it has a reader, so the service sees each reader. The file
``{token}`` in the folder ``DOCUMENTS`` holds the reply as digits.

Opening a pipe for reading also blocks until the service opens it for writing. While the service holds its replies, it tries
that only every `OPEN_INTERVAL_S`, so an `open` on the event loop blocks it visibly, as on a network share.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder.services.base import ServiceError
from autograder.services.gate import Gate

POLL_INTERVAL_S = 0.002  # s between two attempts to open a pipe for writing
OPEN_INTERVAL_S = 0.06  # s between them while replies are held: three times the shortest stall that counts


class Files(Gate):
    """The folder, and the thread that writes to its pipes."""

    def __init__(self) -> None:
        super().__init__()
        if not hasattr(os, "mkfifo"):
            raise ServiceError(
                "This system has no named pipes, so slow files cannot be shown here. Use Linux or macOS."
            )
        self.folder = Path(tempfile.mkdtemp(prefix="course-files-"))
        self._waiting: dict[str, Path] = {}
        self._stopping = threading.Event()
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()

    @property
    def environment(self) -> dict[str, str]:
        return {"DOCUMENTS": str(self.folder)}

    @property
    def alive(self) -> bool:
        return self._writer.is_alive() and not self._stopping.is_set()

    def prepare(self, tokens: list[str]) -> None:
        with self._gate:
            # pipes that were never opened, because an earlier response failed
            for path in self._waiting.values():
                path.unlink(missing_ok=True)
            self._waiting.clear()
            for token in tokens:
                path = self.folder / token
                if token not in self._waiting:
                    os.mkfifo(path)
                    self._waiting[token] = path

    def stop(self) -> None:
        self._stopping.set()
        if self._writer is not threading.current_thread():
            self._writer.join()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self) -> None:
        while not self._stopping.is_set():
            with self._gate:
                waiting = list(self._waiting.items())
            # the last one first: a loop that opens the next file once the previous one is open has to wait for the next round
            opened = [
                (token, path, pipe) for token, path in reversed(waiting) if (pipe := self._open(path)) is not None
            ]
            for token, path, pipe in reversed(opened):
                with self._gate:
                    # the next reader of the same file gets its own pipe, and counts as its own call
                    path.unlink(missing_ok=True)
                    if token in self._waiting:
                        os.mkfifo(path)
                self.arrive(token, Reader(pipe, str(self.reply(token)).encode()))
            time.sleep(OPEN_INTERVAL_S if self._holding else POLL_INTERVAL_S)

    @staticmethod
    def _open(path: Path) -> int | None:
        """Return the descriptor of a pipe's writing end; None without a reader, or if an app has put something else there."""
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            return None
        if stat.S_ISFIFO(os.fstat(pipe).st_mode):
            return pipe
        os.close(pipe)
        return None

    def drop(self, go: Callable[[], None]) -> None:
        assert isinstance(go, Reader)
        os.close(go.pipe)


@dataclass(frozen=True)
class Reader:
    """The writing end of a pipe that has a reader; a call sends the ``reply`` and closes it."""

    pipe: int
    reply: bytes

    def __call__(self) -> None:
        with contextlib.suppress(OSError):  # the reader may have closed the pipe
            os.write(self.pipe, self.reply)
        os.close(self.pipe)
