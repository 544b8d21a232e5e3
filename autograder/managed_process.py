"""A child process that ends with its owner.

Its stdin is its *lifeline*: when the owner ends, however it ends, the pipe closes, and the program at the other end ends itself
and what it has started. It leads its own process group, so that Ctrl-C in a terminal only reaches its owner, and so that it can
be killed together with what it has started.

Some owners of processes don't use this. `classroom.worker_pool` awaits its workers, for which it needs `asyncio.subprocess`.
`bootstrap.installer` and `benchmarks.class_grading` run a command in the foreground, where Ctrl-C is for the command as well.
What `bootstrap.environment` starts in the background has to outlive it. `programs.supervisor` runs without the package, and its
child is a database server, which has no lifeline.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

LAST_WORDS_BYTES = 4000  # bytes at the end of stderr that are searched for its last line
LAST_WORDS_LENGTH = 300  # characters of that line


class ManagedProcess(subprocess.Popen[Any]):
    """A process with a lifeline and pipes.

    Args:
        command: The program and its arguments; paths and numbers are converted to text.
        keep_errors: Store its stderr in an anonymous file, for `last_words`; not on Windows.
        text: Whether the pipes carry text in UTF-8 instead of bytes.
        options: Options of `subprocess.Popen`. By default, stdin and stdout are pipes and stderr is discarded.

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
        """Write a line to its stdin. Raises `OSError` or `ValueError` if it has ended. Not thread-safe."""
        assert self.stdin is not None
        self.stdin.write(line + "\n")
        self.stdin.flush()

    def lines(self) -> Iterator[str]:
        """Return an iterator over the lines of its stdout, which raises `ValueError` if the pipe is closed meanwhile."""
        assert self.stdout is not None
        return iter(self.stdout)  # a generator would close it at its own end

    def last_words(self) -> str:
        """Return the last line of its stderr; "" if there is none, or without ``keep_errors``."""
        if self._errors is None:
            return ""
        file = self._errors.fileno()  # not read(): the process shares the file's position
        start = max(os.fstat(file).st_size - LAST_WORDS_BYTES, 0)
        lines = os.pread(file, LAST_WORDS_BYTES, start).decode(errors="replace").strip().splitlines()
        return lines[-1][:LAST_WORDS_LENGTH] if lines else ""

    def kill_group(self) -> None:
        """Kill it and what it has started, even if it has ended itself."""
        kill_group(self.pid)
        self.kill()

    def end(self, grace_s: float | None = 0.0) -> None:
        """Close its lifeline, and wait until it has ended. Kill it after ``grace_s`` seconds, or never if that is None."""
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
        """Close this process's ends of its pipes. If a thread is reading one, this waits until the pipe ends."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def kill_group(pid: int) -> None:
    """Kill a process group, if the system has them. Do nothing if it has ended."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
