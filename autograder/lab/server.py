"""Serves a learner's file in a child process."""

from __future__ import annotations

import atexit
import contextlib
import importlib.machinery
import keyword
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from autograder.lab import reports
from autograder.lab.app_errors import AppError, explain, never_started
from autograder.lab.start_budget import START_LIMIT_S, StartBudget, StartTimeout
from autograder.managed_process import ManagedProcess, kill_group
from autograder.paths import PROGRAMS
from autograder.programs.messages.reports import GilHeld, Here, Iteration, PythonWarning, Ready, StartFailed, ThreadCpu
from autograder.sandbox.launcher import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from autograder.lab.load_generator_client import LoadGenerator
    from autograder.lab.race import Race
    from autograder.programs.messages.reports import Place, Report


PROGRAM = PROGRAMS / "serve_app.py"
STARTUP_REPORTS = 100  # reports on long iterations before the app was ready that are kept
LOG_LIMIT = 64 * 1024  # bytes of an app's output that are kept, from the end
RACES_KEPT = 12  # races of one app that are kept: a verdict needs few, and each has thousands of samples


class Server:
    """A running app: ``url``, ``pid`` (also the loop thread's id on Linux), ``file``; ``stop()`` ends it.

    ``environment`` is added to the app's environment; without ``inherit``, the app gets only that and what every program
    needs. ``start(file, environment)`` starts the process, for example in a sandbox (`sandbox.launcher.Sandbox`). ``socket``
    is the path of the Unix socket on which the app responds, if it has one. Each of ``listeners`` is called with every report
    of the process (see `lab.reports`), in a thread of this server. ``log`` is the end of the app's output, ``warnings`` has
    the newest RuntimeWarnings in it.
    """

    def __init__(
        self,
        file: str | Path,
        environment: Mapping[str, str] | None = None,
        inherit: bool = True,
        start: Callable[[Path, Mapping[str, str]], Any] | None = None,
    ) -> None:
        self.file = Path(file).resolve()
        self.url: str | None = None
        self.watchers: list[int] = []  # ids of the threads in its process that aren't the app's, as it reports them
        self.warnings: deque[PythonWarning] = deque(maxlen=100)
        self.listeners: list[Callable[[Report], object]] = []
        self.guard: LoadGenerator | None = None  # the load generator that kills it if this process can't
        self.drawn_race: Race | None = None  # its newest race that was drawn
        self.races: deque[Race] = deque(maxlen=RACES_KEPT)  # the newest that have ended
        self.races_elsewhere = 0  # races in which another loop or process accepted connections
        # long iterations of its loop before it was ready
        self.startup_reports: deque[Iteration] = deque(maxlen=STARTUP_REPORTS)
        self.withheld = self.file.parent in _withheld
        self.flooded = False  # True if it was killed because it sent a flood of reports
        self._log = bytearray()
        self._settled = threading.Event()
        self._failure: StartFailed | None = None
        self._dumps = False  # whether it writes its stacks on SIGUSR2
        self._stacks = reports.StackDump()
        self._progress: Place | None = None  # the line of the file in which a long start was last seen
        self._modules = 0  # how many modules it had imported at its newest report
        self._imported = False
        self._stopped = False
        self._question = 0
        environment = environment or {}
        self.process: Any = start(self.file, environment) if start else plain(self.file, environment, inherit)
        self.socket = getattr(self.process, "socket", None)
        self._readers = [
            threading.Thread(target=self._read_reports, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        self._streams = list(zip(self._readers, (self.process.stdout, self.process.stderr), strict=True))
        for reader in self._readers:
            reader.start()

    @property
    def log(self) -> str:
        """The last 64 KiB of the app's output."""
        return self._log.decode(errors="replace")

    @property
    def pid(self) -> int:
        """The id of the app's process. In a sandbox, it isn't the process that was started."""
        return getattr(self.process, "app_pid", self.process.pid)

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self.process.poll() is None

    def wait_until_ready(self, limit: float | None = None) -> Server:
        """Wait until the app serves requests. Raises `AppError` as soon as it's clear that it never will.

        ``limit`` is for how many seconds the app may compute, or sleep by its own choice, without importing anything new; the
        default is `START_LIMIT_S`. Raises `StartTimeout` if the machine is too busy.
        """
        budget = StartBudget(self.pid, limit or START_LIMIT_S)
        try:
            while not self._settled.wait(0.1):
                if not self.alive and not self._readers[0].is_alive():
                    break
                spent = budget.observe(self._modules)
                if spent:
                    place = self._progress
                    self.stop()
                    raise never_started(self.file, spent, budget.limit, place, self._imported)
        except StartTimeout:
            self.stop()
            raise
        if self.url:
            return self
        failure = self._failure
        lost = self.lost() if failure is None else None
        self.stop()
        if self.flooded:
            raise AppError(reports.FLOODED, "died")
        if lost:
            raise SandboxError(lost)
        raise explain(self.file, failure, self.log)

    def lost(self) -> str | None:
        """Return why the machine has ended a sandboxed app that no longer answers; None if it hasn't."""
        return None if self.flooded else getattr(self.process, "lost", None)

    def finish_race(self, race: Race, drawn: bool) -> None:
        """Record a `Race` of this app that has ended; ``drawn`` says whether it was drawn."""
        self.races_elsewhere += bool(race.elsewhere)
        if drawn:
            self.drawn_race = race
        self.races.append(race)

    def drain_reports(self, limit: float = 1.0) -> bool:
        """Wait until every report made so far has been processed; return False if that takes more than ``limit`` seconds."""
        self._question = self._question % 250 + 1
        answered = threading.Event()

        def listen(report: Report) -> None:
            if isinstance(report, Here) and report.question == self._question:
                answered.set()

        self.listeners.append(listen)
        try:
            self.process.stdin.write(bytes([self._question]))
            self.process.stdin.flush()
            deadline = time.monotonic() + limit
            while self.alive and time.monotonic() < deadline and not answered.wait(0.05):
                pass
        except (OSError, ValueError):
            pass  # it has ended, and sends no more reports
        finally:
            self.listeners.remove(listen)
        return answered.is_set()

    def stuck_frames(self, limit: float = 1.0) -> list[Place]:
        """Return the stack of the loop thread, innermost frame first, of an app that no longer reports anything.

        A call that holds the GIL stops the watchdog as well, but the signal handler of `faulthandler` doesn't need the GIL.
        Returns [] if the system doesn't support that, or if nothing arrives within ``limit`` seconds.
        """
        if not self._dumps or not self.alive:
            return []
        self._stacks = reports.StackDump()
        try:
            os.kill(self.pid, signal.SIGUSR2)
        except OSError:
            return []
        deadline = time.monotonic() + limit
        frames: list[Place] = []
        while not frames and time.monotonic() < deadline:
            time.sleep(0.05)
            frames = self._stacks.main_thread(PROGRAM.name)
        return [] if self.withheld else frames

    def stop(self) -> None:
        """Stop the server and everything that it started."""
        if self._stopped:
            return
        self._stopped = True
        try:
            kill_group(self.process.pid)
            self.process.kill()
        except OSError:
            pass
        if self.guard:
            self.guard.forget(self)  # before waiting for it: until then its process id can't be reused
        self.process.wait()
        for reader in self._readers:
            if reader is not threading.current_thread():
                reader.join(1)
        # a process that has left the group may hold the other ends open; closing would then wait for it
        pipes = [self.process.stdin, *(pipe for reader, pipe in self._streams if not reader.is_alive())]
        for pipe in pipes:
            with contextlib.suppress(OSError):
                pipe.close()

    def _read_reports(self) -> None:
        meter = reports.FloodMeter()
        for line in iter(lambda: self.process.stdout.readline(1_000_000), b""):
            report = reports.parse(line)
            if meter.floods(len(line), waiting(self.process.stdout)) or (report is None and meter.forged()):
                self.flooded = True
                kill_group(self.process.pid)
                self.process.kill()
                break
            if report is None:
                self._stacks.take(line)
                continue
            if isinstance(report, Ready) and not self._settled.is_set():
                if report.port is None and not self.socket:
                    continue
                self.url = "http://127.0.0.1" if self.socket else f"http://127.0.0.1:{report.port}"
                self.watchers = self.process.threads(report.threads) if self.socket else report.threads
                self._dumps = report.stacks
                self._settled.set()
            elif isinstance(report, StartFailed):
                self._failure = report
                self._settled.set()
            elif isinstance(report, PythonWarning):
                self.warnings.append(report)
            elif self.withheld and isinstance(report, Iteration | GilHeld | ThreadCpu):
                report = replace(report, where=[reports.WITHHELD] if report.where else [])
                if isinstance(report, Iteration):
                    self._take_startup(report)
            elif isinstance(report, Iteration):
                self._take_startup(report)
            for listener in list(self.listeners):
                listener(report)
        self._settled.set()

    def _take_startup(self, report: Iteration) -> None:
        """Process a report on a long iteration, if it began before the app was ready."""
        if report.phase == "serving":
            return
        self._modules = max(self._modules, report.modules)
        if not report.over:
            self._progress = first_frame_in(report.where, self.file)
            self._imported = report.phase == "startup"
        elif report.phase == "import":
            self._imported = True
            self._progress = None
        else:
            self.startup_reports.append(report)

    def _read_log(self) -> None:
        for data in iter(lambda: self.process.stderr.read1(65536), b""):
            self._log += data
            del self._log[:-LOG_LIMIT]


def waiting(pipe: IO[bytes]) -> bool:
    """Return True if there is already more to read from a pipe; always False on Windows."""
    if os.name != "posix":
        return False
    poll = select.poll()  # `select.select` rejects descriptors above 1023
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(0))


def plain(file: Path, environment: Mapping[str, str], inherit: bool) -> ManagedProcess:
    """Start the process that serves a file, without a sandbox."""
    return ManagedProcess(
        [sys.executable, "-I", PROGRAM, file],
        text=False,
        stderr=subprocess.PIPE,
        cwd=file.parent,
        env={**child_environment(inherit), **environment},
    )


NEEDED = {"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "USERPROFILE", "APPDATA"}


def child_environment(inherit: bool = True) -> dict[str, str]:
    """Return the environment of a served process: the current one without the kernel's variables, or only what is needed."""
    if not inherit:
        return {key: value for key, value in os.environ.items() if key.upper() in NEEDED or key.startswith("LC_")}
    return {key: value for key, value in os.environ.items() if not key.startswith(("JPY_", "NBGRADER_", "PYTHON"))}


def first_frame_in(where: Iterable[Place], file: Path) -> Place | None:
    """Return the first of the sampled places that is in the learner's file, or None."""
    return next((place for place in where if os.path.realpath(place.file) == os.path.realpath(file)), None)


_withheld: set[Path] = set()  # folders in which apps lie whose lines aren't named
_current: Server | None = None
_refused: str | None = None  # the name of the last file, if it couldn't be served
_interrupted: Path | None = None  # the file whose server was ended because a race against it was interrupted


def withhold(folder: str | Path) -> None:
    """Name no line of the apps in ``folder`` from now on, because an exercise asks the learner to find the lines."""
    _withheld.add(Path(folder).resolve())


def serve(file: str | Path) -> Server:
    """Serve the variable ``app`` of ``file`` and return the `Server`, which replaces the previous one.

    Raises `AppError` with a message for the learner: no such file, a syntax error, no ``app``, or an exception at import or
    at start-up, with the line.
    """
    global _current, _refused, _interrupted
    path = Path(file)
    if not path.is_file():
        raise AppError(f"There is no file {path.name} here. Run the cell that starts with %%app {path.name} first.")
    problem = name_problem(path.name)
    if problem:
        raise AppError(problem)
    stop()
    _refused, _interrupted = path.name, None
    server = Server(path)
    try:
        server.wait_until_ready()
    except BaseException:
        server.stop()
        raise
    _current, _refused = server, None
    return server


def name_problem(name: str) -> str | None:
    """Return why a file of this name can't be served, as a sentence, or None."""
    stem = name.removesuffix(".py")
    if stem == name or not re.fullmatch(r"[A-Za-z_]\w*", stem) or keyword.iskeyword(stem):
        return f"{name!r} is not a name for a Python file. Use letters, digits and underscores, as in %%app brew.py"
    if stem in sys.stdlib_module_names or _is_installed(stem):
        return f"{name} would hide the library {stem!r} from your own imports. Choose another name."
    return None


def _is_installed(stem: str) -> bool:
    """Return True for libraries of the environment, `autograder`, and modules that the course gives to apps."""
    if stem in ("autograder", "workshop"):
        return True
    installed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    return importlib.machinery.PathFinder.find_spec(stem, installed) is not None


def interrupt(server: Server) -> None:
    """Stop the server, if it's the current one, because it may be blocked forever.

    The next `current` serves the same file again.
    """
    global _interrupted
    if _current is server:
        _interrupted = server.file
        stop()


def current() -> Server:
    """Return the server that `race` uses by default. Raises `AppError` if there is none."""
    if _current is None and _interrupted is not None:
        return serve(_interrupted)
    if _current is None and _refused:
        raise AppError(f"{_refused} did not start: fix it and run its %%app cell again.")
    if _current is None:
        raise AppError("No app is being served yet. Run the cell that starts with %%app first.")
    if not _current.alive:
        raise AppError(f"The server of {_current.file.name} has ended by itself. Run its %%app cell again.", "died")
    return _current


def stop() -> None:
    """Stop the server that `serve` started last, if there is one."""
    global _current
    if _current is not None:
        _current.stop()
        _current = None


atexit.register(stop)
