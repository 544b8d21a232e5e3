"""How well student code can be locked in on this machine: the ladder, and what of it really works here.

=============  ==========================================================================================
``namespaces`` bubblewrap's read-only root; processes, network and mounts of its own for each app
``user``       a process of a user of its own, with limits; needs root
``limits``     a process with limits, of our own user
``none``       a process like any other (what a learner's own checks use)
=============  ==========================================================================================
"""

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from autograder.sandbox import bubblewrap
from autograder.sandbox.launcher import Sandbox, SandboxError

LEVELS = ("none", "limits", "user", "namespaces")  # each keeps more away than the one before it
WHAT = {
    "namespaces": "each app has a read-only system, one small writable place, and no network but its services",
    "user": "each app is a process of another user, with limits; it can read what anybody can, and use the network",
    "limits": "each app is a process of yours, with limits; it can read what you can, and use the network",
    "none": "apps are processes like any other",
}
PROBE = """
import json, os, socket, sys
seen = {"pid": os.getpid(), "uid": os.getuid(), "others": [], "network": "", "wrote": []}
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
import fastapi, uvicorn
print(json.dumps(seen), flush=True)
raise SystemExit
"""


@dataclass(frozen=True)
class Isolation:
    """The jail that was chosen (None at the level ``none``), its level, and why each better level is not there."""

    jail: Sandbox | None
    level: str
    missing: dict

    @property
    def sentence(self):
        """What a teacher needs to know about it."""
        return f"Isolation: {self.level} ({WHAT[self.level]})." + "".join(
            f" No {level}: {why}." for level, why in self.missing.items()
        )


class IsolationUnavailable(Exception):
    """This machine does not offer the isolation that was asked for."""


def at_least(required="none", ceiling=None, **more):
    """The best jail that this machine offers, up to ``ceiling``.  Raises `IsolationUnavailable` if it is below ``required``.

    Each level is tried by starting an app in it that looks around.  Without a ceiling the environment variable
    COURSE_ISOLATION_CEILING may give one: so a test, or a teacher, can see what a lesser level does.
    """
    ceiling = ceiling or os.environ.get("COURSE_ISOLATION_CEILING") or "namespaces"
    required = "namespaces" if required == "required" else required
    for level in (ceiling, required):
        if level not in LEVELS:
            raise IsolationUnavailable(
                f"There is no level of isolation {level!r}. The levels are: {', '.join(LEVELS)}."
            )
    missing = {}
    for level in reversed(LEVELS[: LEVELS.index(ceiling) + 1]):
        if LEVELS.index(level) < LEVELS.index(required):
            break
        if level == "none":
            return Isolation(None, level, missing)
        try:
            return Isolation(_tried(level, **more), level, missing)
        except (SandboxError, OSError) as problem:
            missing[level] = str(problem)
    told = "".join(f"\n  {level}: {why}" for level, why in missing.items())
    raise IsolationUnavailable(
        f"Nothing was graded: this machine does not offer the isolation that was asked for, {required}.{told}"
    )


def _tried(level, **more):
    if not sys.platform.startswith("linux"):
        raise SandboxError("it needs Linux")
    if level == "namespaces" and not bubblewrap.program():
        raise SandboxError("bubblewrap is not installed (the program bwrap, in the package bubblewrap)")
    place = os.path.join(os.path.realpath(tempfile.gettempdir()), "")
    if level == "namespaces" and any(path.startswith(place) for path in bubblewrap.pythons()):
        # as in a clone below /tmp: an app would lose sight of what it imports later
        raise SandboxError(
            f"the course's Python lies in {place}, which is empty in a jail: move the clone, or set TMPDIR to another folder"
        )
    if level == "user" and os.geteuid() != 0:
        raise SandboxError("only root can start processes of other users")
    jail = Sandbox(level, **more)
    try:
        with tempfile.TemporaryDirectory(prefix="course-probe-") as folder, tempfile.TemporaryDirectory() as outside:
            file = Path(folder) / "probe.py"
            file.write_text(f"OUTSIDE = {outside!r}\n{PROBE}")
            process = jail.start(file, {})
            try:
                said = process.stderr.readline(100_000)
                report = process.stdout.readline(100_000)
            finally:
                process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout, process.stderr):
                    pipe.close()
        try:
            seen = json.loads(said)
        except ValueError:
            raise SandboxError(_why(said, report)) from None
        _check(level, seen)
    except BaseException:
        jail.close()
        raise
    return jail


def _check(level, seen):
    """Raise `SandboxError` unless the probe was really locked in."""
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


def _why(said, report):
    try:
        failed = json.loads(report)
        return f"an app does not start there: {failed.get('message') or failed.get('type')}"
    except (ValueError, AttributeError):
        return "an app does not start there: " + (said.decode(errors="replace").strip()[-200:] or "it says nothing")
