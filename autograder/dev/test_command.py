"""`./course test`: pytest over the course's own tests, with the programs that some of them need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from autograder.bootstrap.environment import ROOT, say
from autograder.errors import SetupError, recognise
from autograder.sandbox import bubblewrap
from autograder.services import ServiceError, mysql

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NO_BROWSER = (
    "The tests drive a browser and there is none: install Chromium (or point CHROMIUM at one), then run it again."
)


def find_mysql() -> bool:
    """True if the service `mysql` has a server to start, or was told of one."""
    try:
        return bool(os.environ.get("COURSE_MYSQL_URL") or mysql.find())
    except ServiceError:
        return False


@dataclass(frozen=True)
class Program:
    """A program of the system that tests need: apt's packages of it, whether it is there, and what is said if it is not."""

    packages: tuple[str, ...]
    found: Callable[[], bool]
    without: str


# The browser is not among them: where apt has none, Playwright does.
PROGRAMS = (
    Program(
        # the server alone, which nothing starts at boot; its set-up asks a program that comes with the client
        ("mariadb-server-core", "mariadb-client-core"),
        find_mysql,
        f"The tests of MySQL will fail. {mysql.NO_SERVER}",
    ),
    Program(
        ("bubblewrap",),
        lambda: bubblewrap.program() is not None,
        "The tests of the jail will fail: they need bubblewrap, which is a package of every Linux distribution.",
    ),
    Program(
        ("iproute2", "util-linux"),
        lambda: all(map(shutil.which, ("ip", "unshare", "nsenter"))),
        "The test of a cluster will fail: it needs ip, unshare and nsenter (iproute2 and util-linux).",
    ),
)


def have_programs(programs: tuple[Program, ...] = PROGRAMS) -> None:
    """Get what is missing where we may, else say how to.  The tests that need it fail without it; none is skipped."""
    missing = [program for program in programs if not program.found()]
    if missing and may_install():
        packages = [package for program in missing for package in program.packages]
        say(f"Installing {' and '.join(packages)} for the tests, with apt-get (once)")
        apt_get(*packages)
        missing = [program for program in missing if not program.found()]
    for program in missing:
        say(program.without)


def may_install() -> bool:
    """True on a Debian or Ubuntu where we are root."""
    return bool(shutil.which("apt-get")) and hasattr(os, "geteuid") and os.geteuid() == 0


def apt_get(*packages: str) -> str:
    """Install packages of the distribution; returns all that was said."""
    said = _quietly(["apt-get", "update"])
    return said + _quietly(["apt-get", "install", "-y", "--no-install-recommends", *packages])


def find_chromium() -> str | None:
    """A Chromium that is already there, by $CHROMIUM or on PATH."""
    told = os.environ.get("CHROMIUM")
    if told:
        path = shutil.which(told)
        if path is None:
            raise SetupError(f"CHROMIUM is set to {told}, which is not a program: correct it or unset it.")
        return path
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    return None


def playwrights_own() -> str | None:
    """The Chromium that `playwright install` put in place, if it did."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


def have_chromium() -> str:
    """Find Chromium, or get it: from the distribution where we may, else from Playwright."""
    path = find_chromium() or playwrights_own()
    if path:
        return path
    said = ""
    if may_install():
        say("Installing Chromium for the tests, with apt-get (once, about a minute)")
        said += apt_get("chromium")
        # Ubuntu's package of that name is a stub for snap, which works in no container: believe what runs.
        path = find_chromium()
        if path and runs(path):
            return path
    say("Fetching Chromium for the tests, with playwright (once)")
    said += _quietly([sys.executable, "-m", "playwright", "install", "chromium"])
    path = playwrights_own()
    if path and runs(path):
        return path
    why = recognise(said)
    raise SetupError(f"{NO_BROWSER} {why}" if why else NO_BROWSER)


def runs(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=120).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _quietly(command: list[str]) -> str:
    """Run a step; its output is only looked at when all of them failed."""
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    return done.stdout + done.stderr


def main(arguments: list[str]) -> int:
    variables = {**os.environ, "COURSE_CHROMIUM": have_chromium()}
    if not arguments:
        variables.setdefault("COURSE_CATALOGUE_SHARE", "5")
        say("Of the catalogued answers each reference, each starter and a fifth of the others, chosen by the commit.")
        say("For all of them: ./course test tests/judge/test_catalogue.py tests/judge/test_mutation.py")
    have_programs()
    # Three at a time: most tests wait for something most of the time. Who names tests gets them one after the other.
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        *(arguments or ["-n", "3", "--durations", "25"]),
    ]
    if os.name == "nt":
        return subprocess.call(command, cwd=ROOT, env=variables)
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(sys.executable, command, variables)
