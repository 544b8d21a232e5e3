"""The levels of isolation for learners' code, and which of them really work on this machine.

=============  ==========================================================================================
``namespaces`` bubblewrap's read-only root, with separate processes, network and mounts for each app
``user``       a process with limits that runs as a separate user; needs root
``limits``     a process with limits that runs as the current user
``none``       an ordinary process (used by a learner's own checks)
=============  ==========================================================================================
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.errors import UserFacingError
from autograder.sandbox import bubblewrap
from autograder.sandbox.launcher import Sandbox, SandboxedProcess, SandboxError

PROBES = 3  # attempts for each level, if a probe is killed from outside
LEVELS = ("none", "limits", "user", "namespaces")  # each isolates better than the one before it
WHAT = {
    "namespaces": "each app has a read-only system, one small writable place, and no network but its services",
    "user": "each app is a process of another user, with limits; it can read what anybody can, and use the network",
    "limits": "each app is a process of yours, with limits; it can read what you can, and use the network",
    "none": "apps are processes like any other",
}
# What grading relies on, tried from inside a sandbox. The file is imported like a learner's. A problem of the machine must
# fail here, once, and not in the apps of a class, where it would look like the learners' mistake.
PROBE = """
import json, os, socket, subprocess, sys, threading
seen = {"pid": os.getpid(), "uid": os.getuid(), "others": [], "network": "", "wrote": [], "cannot": []}
for name in os.listdir("/proc"):
    if name.isdigit():
        seen["others"].append(int(name))
try:
    socket.create_connection(("127.0.0.1", 9), 1)
except OSError as error:
    seen["network"] = type(error).__name__
for path in ("/", "/usr", "/dev", "/proc/sys/kernel/hostname", OUTSIDE):
    if os.access(path, os.W_OK):
        seen["wrote"].append(path)
seen["sees"] = os.path.exists(OUTSIDE)

def attempt(what, work):
    try:
        work()
    except Exception as error:
        seen["cannot"].append(f"{what} ({type(error).__name__}: {error})")

def ask_service():
    with socket.create_connection(SERVICE, 30) as connection:
        connection.settimeout(30)
        assert connection.recv(100) == ANSWER, "it answers something else"

def start_threads():
    threads = [threading.Thread(target=int) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

import fastapi, uvicorn
attempt("read its Python", lambda: [open(module.__file__, "rb").close() for module in (os, json, fastapi, uvicorn)])
attempt("write in its folder", lambda: open("written", "w").close())
attempt("start threads", start_threads)
attempt("start a program", lambda: subprocess.run([sys.executable, "-ISc", ""], check=True))
attempt("reach a service", ask_service)
print(json.dumps(seen), flush=True)
threading.Event().wait()
"""
ANSWER = b"the service of the probe"


@dataclass(frozen=True)
class Isolation:
    """The chosen sandbox (None at the level ``none``), its level, and why each better level isn't available."""

    sandbox: Sandbox | None
    level: str
    missing: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """The level of isolation in words, for the teacher."""
        return f"Isolation: {self.level} ({WHAT[self.level]})." + "".join(
            f" No {level}: {why}." for level, why in self.missing.items()
        )


class IsolationUnavailable(UserFacingError):
    """This machine doesn't support the requested isolation."""


class ProbeLost(SandboxError):
    """The probe was killed from outside, for example for lack of memory, which says nothing about the level."""


def at_least(required: str = "none", ceiling: str | None = None, **more: Mapping[str, int]) -> Isolation:
    """Return the best isolation that works on this machine, up to ``ceiling``.

    Each level is tried with two apps that do what apps do while they're graded. Without ``ceiling``, the environment variable
    COURSE_ISOLATION_CEILING can set one, for tests and for teachers who want to try a lower level. Raises
    `IsolationUnavailable` if the best level is below ``required``.
    """
    ceiling = ceiling or os.environ.get("COURSE_ISOLATION_CEILING") or "namespaces"
    required = "namespaces" if required == "required" else required
    for level in (ceiling, required):
        if level not in LEVELS:
            raise IsolationUnavailable(
                f"There is no level of isolation {level!r}. The levels are: {', '.join(LEVELS)}."
            )
    missing: dict[str, str] = {}
    for level in reversed(LEVELS[: LEVELS.index(ceiling) + 1]):
        if LEVELS.index(level) < LEVELS.index(required):
            break
        if level == "none":
            return Isolation(None, level, missing)
        for _ in range(PROBES):
            try:
                return Isolation(_tried(level, **more), level, missing)
            except (SandboxError, OSError) as problem:
                missing[level] = str(problem)
                if not isinstance(problem, ProbeLost):
                    break
    reasons = "".join(f"\n  {level}: {why}" for level, why in missing.items())
    raise IsolationUnavailable(
        f"Nothing was graded: this machine does not offer the isolation that you require, {required}.{reasons}"
    )


def as_probed(level: str) -> Isolation:
    """Return the isolation of a ``level`` that another process of this machine has just probed with `at_least`.

    A probe starts a forkserver and two apps, about a second of CPU time, which each worker of a class would need again.
    """
    return Isolation(None if level == "none" else Sandbox(level), level, {})


def _tried(level: str, **more: Mapping[str, int]) -> Sandbox:
    """Return a sandbox of a level in which two apps have run. Raises `SandboxError` or `OSError`."""
    if not sys.platform.startswith("linux"):
        raise SandboxError("it needs Linux")
    if level == "namespaces" and not bubblewrap.program():
        raise SandboxError("bubblewrap is not installed (the program bwrap, in the package bubblewrap)")
    if level == "user" and os.geteuid() != 0:
        raise SandboxError("only root can start processes of other users")
    sandbox = Sandbox(level, **more)
    try:
        with _service() as address, contextlib.ExitStack() as running:
            first, seen = running.enter_context(_probed(sandbox, address))
            _check(level, seen)
            first.forkserver.check()  # the first app may have crashed it, and then the next app would get another one
            second, seen = running.enter_context(_probed(sandbox, address))
            _check(level, seen)
            second.forkserver.check()
            if first.poll() is not None or first.forkserver is not second.forkserver:
                raise SandboxError("an app does not survive the start of the next one")
    except BaseException:
        sandbox.close()
        raise
    return sandbox


@contextlib.contextmanager
def _probed(sandbox: Sandbox, address: tuple[str, int]) -> Iterator[tuple[SandboxedProcess, dict[str, Any]]]:
    """Start an app in the sandbox; yield the running app and its findings. Raises `SandboxError`."""
    with tempfile.TemporaryDirectory(prefix="course-probe-") as folder, tempfile.TemporaryDirectory() as outside:
        file = Path(folder) / "probe.py"
        file.write_text(f"OUTSIDE = {outside!r}\nSERVICE = {address!r}\nANSWER = {ANSWER!r}\n{PROBE}")
        process = sandbox.start(file, {"SERVICE_URL": "http://{}:{}".format(*address)})
        try:
            said = process.stderr.readline(100_000)
            try:
                seen = json.loads(said)
            except ValueError:
                if process.lost:
                    raise ProbeLost(process.lost) from None
                raise SandboxError(_why(said, process.stdout.readline(100_000))) from None
            yield process, seen
        finally:
            process.end()
            process.close()
            process.stdout.close()


@contextlib.contextmanager
def _service() -> Iterator[tuple[str, int]]:
    """Answer connections to a port of this machine, and yield its address."""

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(ANSWER)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)  # `close` alone wouldn't wake the thread
        thread.join()


def _check(level: str, seen: dict[str, Any]) -> None:
    """Raise `SandboxError` unless the probe was really isolated, and could do what an app needs."""
    if seen["cannot"]:
        raise SandboxError(f"an app cannot {seen['cannot'][0]}")
    if level == "user" and seen["uid"] == 0:
        raise SandboxError("the app's user is root")
    if level != "namespaces":
        return
    if seen["pid"] != 2 or max(seen["others"]) > 2:
        raise SandboxError("the app sees other processes")
    if seen["network"] != "ConnectionRefusedError":
        raise SandboxError(f"the app's network is not its own ({seen['network'] or 'it was connected'})")
    if seen["wrote"] or seen["sees"]:
        raise SandboxError("the app can reach files outside its place")


def _why(said: bytes, report: bytes) -> str:
    """Return why the probe hasn't answered, from what it printed and what serve_app reported."""
    try:
        failed = json.loads(report)
        return f"an app does not start there: {failed.get('message') or failed.get('type')}"
    except (ValueError, AttributeError):
        return "an app does not start there: " + (said.decode(errors="replace").strip()[-200:] or "it says nothing")
