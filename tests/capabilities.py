"""The capabilities of this machine that tests depend on, with a function for each.

Each function returns None if the machine has the capability, or else the reason, as a sentence without a full stop. A test
that needs it has the marker of the same name, and is skipped with that reason (see conftest.py).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path


def linux() -> str | None:
    """Linux, whose /proc shows where a thread waits."""
    return None if sys.platform.startswith("linux") else "only Linux shows where a thread waits"


def posix() -> str | None:
    """Signals, process groups and sockets in the file system."""
    return None if os.name == "posix" else "Windows has no signals and no process groups"


@cache
def browser() -> str | None:
    """Chromium, and Playwright to drive it."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright isn't installed; ./course test has it in an environment of its own"
    from autograder.dev import test_command

    return test_command.chromium.missing()


@cache
def mysql() -> str | None:
    """A MariaDB or MySQL server that the service can start, or the address of one."""
    from autograder.dev import test_command

    return test_command.mariadb.missing()


@cache
def _isolation() -> tuple[str, dict[str, str]]:
    """Return the strictest available level of isolation, and the reasons why stricter ones aren't available, by level."""
    from autograder.sandbox import levels

    found = levels.at_least()
    if found.sandbox is not None:
        found.sandbox.close()
    return found.level, found.missing


def best_level() -> str:
    """Return the strictest level of isolation on this machine, which grading uses by default."""
    return _isolation()[0]


def sandbox() -> str | None:
    """The strictest level of isolation, ``namespaces``."""
    return _isolation()[1].get("namespaces")


@cache
def hub() -> str | None:
    """JupyterHub and its proxy."""
    for module in ("jupyterhub", "configurable_http_proxy"):
        if importlib.util.find_spec(module) is None:
            return f"{module} isn't installed; ./course test has it in an environment of its own"
    return linux()


@cache
def cluster() -> str | None:
    """Network namespaces with cables between them: several machines on one."""
    from autograder.dev import test_command

    lacking = linux() or test_command.network_tools.missing()
    if lacking:
        return lacking
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    cable = ["ip", "link", "add", "here", "type", "veth", "peer", "name", "there"]
    tried = subprocess.run(["unshare", *user, "--net", *cable], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"this machine makes no network namespaces ({tried.stderr.strip()})"


@cache
def root() -> str | None:
    """The rights of root."""
    return None if hasattr(os, "geteuid") and os.geteuid() == 0 else "it needs to run as root"


def isolation_levels() -> list[str]:
    """Return the levels of isolation that can exist here.

    An app at the level ``user`` is another user's process and must read the course's Python. Where that lies in a closed
    folder (root's home, say), there's no such level, whatever else the machine has.
    """
    closed = any(
        parent.stat().st_mode & 0o005 != 0o005
        for prefix in {sys.prefix, sys.base_prefix}
        for parent in [Path(os.path.realpath(prefix)), *Path(os.path.realpath(prefix)).parents]
    )
    return [level for level in ("namespaces", "user", "limits") if level != "user" or not closed]


ALL: dict[str, Callable[[], str | None]] = {
    check.__name__: check for check in (linux, posix, browser, mysql, sandbox, hub, cluster, root)
}


@cache
def missing(name: str) -> str | None:
    """Return why the machine lacks the capability of that name, or None."""
    return ALL[name]()
