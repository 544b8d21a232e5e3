"""The sandbox of a service's server program, in which it can access only its own program, its libraries and one folder.

A service that an app can reach is part of the app's sandbox, so a server that an app has taken over must be of no use to it.
It has no network (clients connect to a Unix socket in its folder), no other program or process, no capability and, if root
starts it, a user and a group of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from autograder.sandbox import bubblewrap

SOCKET_PATH_LIMIT = 100  # bytes; the system's own limit is 107


@cache
def unavailable() -> str | None:
    """Return why servers can't be sandboxed on this machine, or None if they can."""
    if not sys.platform.startswith("linux"):
        return "it needs Linux"
    if not bubblewrap.program():
        return "bubblewrap is not installed"
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        return "setpriv is not installed"
    words = command(None, [], 61000 if os.geteuid() == 0 else None, setup=True)
    try:
        tried = subprocess.run([*words, "/bin/sh", "-c", ":"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as problem:
        return str(problem)
    return None if tried.returncode == 0 else (tried.stderr.strip()[-200:] or "bubblewrap failed")


def command(folder: Path | None, shown: Iterable[str | Path], user: int | None, setup: bool = False) -> list[str]:
    """Return the arguments to prepend to a server's command, so that it runs in the sandbox and can write only to ``folder``.

    ``shown`` are the server's own files and folders, mounted read-only. ``user`` is the user id as which root runs it. With
    ``setup``, the system's programs are there too, because creating a data folder needs a shell; that runs before any app.
    """
    words = [str(bubblewrap.program()), "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"]
    words += ["--new-session", "--die-with-parent", "--clearenv", "--cap-drop", "ALL"]
    inner: list[str] = []
    files = {str(path): str(path) for path in shown}
    if user is None:
        words += ["--unshare-user"]
    else:
        setpriv = os.path.realpath(str(shutil.which("setpriv")))
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            words += ["--cap-add", capability]
        inner = [setpriv, f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
        inner += ["--bounding-set=-all", "--inh-caps=-all"]
        if not setup:
            files |= {setpriv: setpriv}
    words += ["--setenv", "LANG", "C", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin"]
    words += ["--setenv", "TMPDIR", str(folder or "/"), "--setenv", "HOME", str(folder or "/")]
    if setup:
        words += ["--dir", "/etc", *bubblewrap.system()]
    else:
        needed = {library for path in files for library in libraries(path)}
        files |= {path: path for path in sorted(needed)}
    words += ["--dev", "/dev", "--proc", "/proc", *bubblewrap.laid(files)]
    if folder is not None:
        for parent in reversed(folder.parents):
            words += ["--dir", str(parent)]
        words += ["--bind", str(folder), str(folder)]
    words += ["--remount-ro", "/", "--chdir", "/", "--", *inner]
    return words


@cache
def libraries(path: str) -> frozenset[str]:
    """Return the shared libraries that a program loads, by the paths at which it looks for them."""
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        return frozenset()
    linked = subprocess.run(["ldd", path], capture_output=True, text=True)
    return frozenset(re.findall(r"(?:=> |^\s*)(/\S+) \(0x", linked.stdout, re.M))
