"""``./course test``: pytest over the course's own tests, with the programs that some of them need."""

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

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

# What a contributor runs after each edit: no browser, no sandbox, no server, no notebook, nothing that takes long.
QUICK = "not (browser or sandbox or mysql or hub or cluster or long or slow)"
RERUNS = 2  # at most so many times a test that failed is run again, where nobody asked for that test
SHARE = 24  # one in so many members of a family of tests is run (tests/selection.py)
QUICK_FOLDERS = ("tests/unit", "tests/judge/test_judge.py", "tests/lab")


def find_mysql() -> bool:
    """True if the service ``mysql`` has a server to start, or the address of one."""
    try:
        return bool(os.environ.get("COURSE_MYSQL_URL") or mysql.find())
    except ServiceError:
        return False


def find_library(name: str) -> bool:
    """True if the system has this shared library, or isn't Linux."""
    if not sys.platform.startswith("linux"):
        return True
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def find_chromium() -> str | None:
    """The path of a Chromium of the system: the one that $CHROMIUM names, or one on PATH."""
    wanted = os.environ.get("CHROMIUM")
    if wanted:
        path = shutil.which(wanted)
        if path is None:
            raise SetupError(f"CHROMIUM is set to {wanted}, which is not a program: correct it or unset it.")
        return path
    for name in NAMES:
        path = shutil.which(name)
        # Ubuntu's package of that name is a stub for snap, which works in no container: try it.
        if path and runs(path):
            return path
    return None


def playwrights_own() -> str | None:
    """The path of the Chromium that ``playwright install`` put in place, or None."""
    if not find_library("libatomic.so.1"):
        return None  # Playwright itself would end in a traceback
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def any_chromium() -> str | None:
    """The path of the Chromium that the tests use, or None."""
    return os.environ.get("COURSE_CHROMIUM") or find_chromium() or playwrights_own()


@dataclass(frozen=True)
class Program:
    """A program that some tests need: what it is, apt's packages of it, and whether it's there."""

    name: str
    packages: tuple[str, ...]
    found: Callable[[], object]
    elsewhere: str = ""  # how to get it where there is no apt

    def missing(self) -> str | None:
        """Why tests that need it can't run, or None."""
        if self.found():
            return None
        how = f"apt-get install {' '.join(self.packages)}"
        return f"{self.name} isn't installed ({how}{', ' + self.elsewhere if self.elsewhere else ''})"


# All that the tests need and pip can't install.
libatomic = Program("libatomic.so.1, which Playwright needs,", ("libatomic1",), lambda: find_library("libatomic.so.1"))
chromium = Program("Chromium", ("chromium",), any_chromium, "or name one in CHROMIUM")
# The server alone, which nothing starts at boot; its set-up calls a program that comes with the client.
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


def have_programs(programs: Sequence[Program] = PROGRAMS) -> None:
    """Install what is missing where that is allowed, and print one message about what is still missing after that."""
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
        say("Some tests can't run here, and are skipped by name:" + (f" {why}" if why else ""))
        for program in missing:
            say(f"  - {program.missing()}")


def may_install() -> bool:
    """True on a Debian or Ubuntu where this runs as root."""
    return bool(shutil.which("apt-get")) and hasattr(os, "geteuid") and os.geteuid() == 0


def apt_get(*packages: str) -> str:
    """Install packages of the distribution, one by one if they can't be had together; return all that was printed."""
    output = _quietly(["apt-get", "update"])
    install = ["apt-get", "install", "-y", "--no-install-recommends"]
    together = _quietly([*install, *packages])
    if len(packages) > 1 and "E: Unable to locate package" in together:
        return output + together + "".join(_quietly([*install, package]) for package in packages)
    return output + together


def runs(path: str) -> bool:
    """True if a browser can be started."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=120).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _quietly(command: list[str]) -> str:
    """Run a step and return its output, which is only looked at if something is still missing afterwards."""
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    return done.stdout + done.stderr


def chooses(words: Sequence[str]) -> bool:
    """True if these arguments of pytest name tests, by file, by name or by marker: then all that they name are run."""
    return any(word.startswith(("-k", "-m")) or "::" in word or Path(word.rstrip("/")).exists() for word in words)


def main(arguments: list[str]) -> int:
    """Run pytest with these arguments; without any, on everything but what proves the same once more."""
    variables = dict(os.environ)
    own = {"--quick", "--cov", "--all"}
    words = [word for word in arguments if word not in own]
    if "--quick" in arguments:
        words = ["-m", QUICK, *(words or QUICK_FOLDERS)]
    else:
        have_programs()
        path = any_chromium()
        if path:
            variables["COURSE_CHROMIUM"] = path
        if "--all" in arguments:
            words = ["-m", "slow or not slow", *words]
        elif not chooses(words):
            variables.setdefault("COURSE_TEST_SHARE", str(SHARE))
            say(
                "Some families of tests prove the same again with other content: each lesson's claims, each of more than 600"
            )
            say(
                "catalogued answers. This runs a part of each family, another one with each commit, and what the newest commit"
            )
            say("changed. For everything: ./course test --all")
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
