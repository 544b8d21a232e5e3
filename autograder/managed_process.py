"""A child process that ends with its owner.

Its stdin is its *lifeline*: when the owner ends, however it ends, the pipe closes, and the program at the other end of it ends
itself and what it started.  It leads a process group of its own, so that Ctrl-C in a terminal doesn't reach it before its owner
has decided, and so that it can be killed with what it started.

Some owners of processes don't use this.  `classroom.worker_pool` awaits its workers, which takes `asyncio.subprocess`.
`bootstrap.installer` and `benchmarks.class_grading` run a command to its end in the foreground, where Ctrl-C is for it as well;
what `bootstrap.environment` starts in the background is to outlive it.  `programs.supervisor` is a program that runs without
the package, and its child is a database server, which knows no lifeline.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

LAST_WORDS_BYTES = 4000  # bytes at the end of stderr in which its last line is looked for
LAST_WORDS_LENGTH = 300  # characters of that line


class ManagedProcess(subprocess.Popen[Any]):
    """A process with a lifeline and pipes.

    Args:
        command: The program and its arguments; paths and numbers are made into text.
        keep_errors: Keep what it prints to stderr in an unnamed file, for `last_words`; not on Windows.
        text: Whether the pipes carry lines of UTF-8, or bytes.
        options: As for `subprocess.Popen`.  Without them, stdin and stdout are pipes and stderr is discarded.

    Raises `OSError` if it can't be started.
    """

    def __init__(
        self, command: Iterable[object], *, keep_errors: bool = False, text: bool = True, **options: Any
    ) -> None:
        self._errors: IO[bytes] | None = tempfile.TemporaryFile() if keep_errors else None  # noqa: SIM115
        streams: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": self._errors or subprocess.DEVNULL,
        }
        if text:
            options["encoding"] = "utf-8"
        words: Sequence[str] = [os.fspath(word) if isinstance(word, os.PathLike) else str(word) for word in command]
        super().__init__(words, start_new_session=True, **streams | options)

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self.poll() is None

    def send_line(self, line: str) -> None:
        """Write a line to its stdin.  Raises `OSError` or `ValueError` if it has ended.  One thread at a time."""
        assert self.stdin is not None
        self.stdin.write(line + "\n")
        self.stdin.flush()

    def lines(self) -> Iterator[str]:
        """Return an iterator over the lines that it writes to stdout.  It raises `ValueError` if the pipe is closed meanwhile."""
        assert self.stdout is not None
        return iter(self.stdout)  # a generator would close it at its own end

    def last_words(self) -> str:
        """Return the last line that it has printed to stderr, with ``keep_errors``; else, or if it printed none, ""."""
        if self._errors is None:
            return ""
        file = self._errors.fileno()  # whose position is that of the process as well
        start = max(os.fstat(file).st_size - LAST_WORDS_BYTES, 0)
        lines = os.pread(file, LAST_WORDS_BYTES, start).decode(errors="replace").strip().splitlines()
        return lines[-1][:LAST_WORDS_LENGTH] if lines else ""

    def kill_group(self) -> None:
        """Kill it and what it started, also when only that is left."""
        kill_group(self.pid)
        self.kill()

    def end(self, grace_s: float | None = 0.0) -> None:
        """Close its lifeline, and wait until it has ended: kill it after ``grace_s`` seconds, or with None never."""
        with contextlib.suppress(OSError):
            if self.stdin is not None:
                self.stdin.close()
        if grace_s != 0.0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(grace_s)
        if self.alive:
            self.kill_group()
        self.wait()

    def close(self) -> None:
        """Close our ends of its pipes.  While a thread reads one, that waits until the pipe ends."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def kill_group(pid: int) -> None:
    """Kill a process group, where the system has such; nothing happens if it is gone."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
