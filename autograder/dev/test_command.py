"""``./course test``: run pytest on the course's own tests, and install the programs that some of them need."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.bootstrap.environment import ROOT, say
from autograder.errors import SetupError, recognise
from autograder.sandbox import bubblewrap
from autograder.services import ServiceError, mysql

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

# What a contributor runs after each edit: no browser, no sandbox, no server, no notebook, nothing that takes long.
QUICK = "not (browser or sandbox or mysql or hub or cluster or long or slow)"
RERUNS = 2  # how often a failed test is run again at most, in a run that doesn't name its tests
SHARE = 48  # one in this many members of each family of tests is run (tests/selection.py)
QUICK_FOLDERS = ("tests/unit", "tests/judge/test_judge.py", "tests/lab")


def find_mysql() -> bool:
    """Return True if there's a MySQL or MariaDB to start, or COURSE_MYSQL_URL names a running one."""
    try:
        return bool(os.environ.get("COURSE_MYSQL_URL") or mysql.find())
    except ServiceError:
        return False


def find_library(name: str) -> bool:
    """Return True if the system has this shared library, or isn't Linux."""
    if not sys.platform.startswith("linux"):
        return True
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def find_chromium() -> str | None:
    """Return the path of a Chromium on this system: the one that $CHROMIUM names, one on PATH, or None.

    Raise `SetupError` if $CHROMIUM isn't a program.
    """
    wanted = os.environ.get("CHROMIUM")
    if wanted:
        path = shutil.which(wanted)
        if path is None:
            raise SetupError(f"CHROMIUM is set to {wanted}, which is not a program: correct it or unset it.")
        return path
    for name in CHROMIUM_NAMES:
        path = shutil.which(name)
        # Ubuntu's chromium package only starts the snap, which doesn't work in containers, so try to run it.
        if path and runs(path):
            return path
    return None


def playwright_chromium() -> str | None:
    """Return the path of the Chromium that ``playwright install`` installed, or None."""
    if not find_library("libatomic.so.1"):
        return None  # without the library, Playwright would raise an exception
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def any_chromium() -> str | None:
    """Return the path of the Chromium that the tests use, or None."""
    return os.environ.get("COURSE_CHROMIUM") or find_chromium() or playwright_chromium()


@dataclass(frozen=True)
class Program:
    """A program that some tests need: its name, its packages for apt-get, and a function that returns whether it's installed."""

    name: str
    packages: tuple[str, ...]
    found: Callable[[], object]
    elsewhere: str = ""  # what to do instead on systems without apt-get

    def missing(self) -> str | None:
        """Return why tests that need it can't run, or None."""
        if self.found():
            return None
        how = f"apt-get install {' '.join(self.packages)}"
        return f"{self.name} isn't installed ({how}{', ' + self.elsewhere if self.elsewhere else ''})"


# Everything that the tests need and pip can't install.
libatomic = Program("libatomic.so.1, which Playwright needs,", ("libatomic1",), lambda: find_library("libatomic.so.1"))
chromium = Program("Chromium", ("chromium",), any_chromium, "or name one in CHROMIUM")
# The core package isn't started at boot. The server's set-up calls a program that comes with the client.
mariadb = Program(
    "MariaDB or MySQL",
    ("mariadb-server-core", "mariadb-client-core"),
    find_mysql,
    "or name a server in COURSE_MYSQL_URL",
)
sandbox_program = Program("bubblewrap", ("bubblewrap",), bubblewrap.program)
network_tools = Program(
    "one of ip, unshare and nsenter",
    ("iproute2", "util-linux"),
    lambda: all(map(shutil.which, ("ip", "unshare", "nsenter"))),
)
PROGRAMS = (libatomic, chromium, mariadb, sandbox_program, network_tools)


def install_programs(programs: Sequence[Program] = PROGRAMS) -> None:
    """Install missing programs if `may_install` allows it, and print one message about those that are still missing."""
    missing = [program for program in programs if not program.found()]
    output = ""
    if missing and may_install():
        packages = [package for program in missing for package in program.packages]
        say(f"Installing {', '.join(packages)} for the tests, with apt-get (once; it may take a minute)")
        output += apt_get(*packages)
        missing = [program for program in missing if not program.found()]
    if chromium in missing and libatomic not in missing:
        say("Downloading Chromium for the tests, with Playwright (once)")
        output += _quietly([sys.executable, "-m", "playwright", "install", "chromium"])
        missing = [program for program in missing if not program.found()]
    if missing:
        why = recognise(output)
        say("Some tests can't run here and are skipped:" + (f" {why}" if why else ""))
        for program in missing:
            say(f"  - {program.missing()}")


def may_install() -> bool:
    """Return True if this runs as root on a Debian or Ubuntu."""
    return bool(shutil.which("apt-get")) and hasattr(os, "geteuid") and os.geteuid() == 0


def apt_get(*packages: str) -> str:
    """Install packages with apt-get, one by one if one of them doesn't exist. Return all output."""
    output = _quietly(["apt-get", "update"])
    install = ["apt-get", "install", "-y", "--no-install-recommends"]
    together = _quietly([*install, *packages])
    if len(packages) > 1 and "E: Unable to locate package" in together:
        return output + together + "".join(_quietly([*install, package]) for package in packages)
    return output + together


def runs(path: str) -> bool:
    """Return True if the browser at ``path`` can be started."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=120).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _quietly(command: list[str]) -> str:
    """Run a command without printing its output, and return the output. A failure is not an error."""
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    return done.stdout + done.stderr


def selects_tests(words: Sequence[str]) -> bool:
    """Return True if these arguments of pytest select tests by file, name or marker. Then all selected tests are run."""
    return any(word.startswith(("-k", "-m")) or "::" in word or Path(word.rstrip("/")).exists() for word in words)


def main(arguments: list[str]) -> int:
    """Run pytest with these arguments; if they select no tests, on a part of each family of similar tests. Return an exit code."""
    variables = dict(os.environ)
    own = {"--quick", "--cov", "--all"}
    words = [word for word in arguments if word not in own]
    if "--quick" in arguments:
        words = ["-m", QUICK, *(words or QUICK_FOLDERS)]
    else:
        install_programs()
        path = any_chromium()
        if path:
            variables["COURSE_CHROMIUM"] = path
        if "--all" in arguments:
            words = ["-m", "slow or not slow", *words]
        elif not selects_tests(words):
            variables.setdefault("COURSE_TEST_SHARE", str(SHARE))
            say(
                "Some families of tests check the same code with different content, such as more than 600 catalogued answers."
            )
            say(
                "This runs a part of each family (a different one for each commit) and whatever the newest commit changed."
            )
            say("To run everything: ./course test --all")
            words += ["--reruns", str(RERUNS)]
        words += ["--durations", "25"]
    if "--cov" in arguments:
        words += ["--cov", "--cov-report=term:skip-covered", "--cov-report=xml"]
    command = [sys.executable, "-P", "-m", "pytest", *words]
    if os.name == "nt":
        return subprocess.call(command, cwd=ROOT, env=variables)
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(sys.executable, command, variables)
