"""Command lines of bubblewrap, with one profile for each kind of process that runs in it.

`app_profile` is for the forkserver, which starts apps and learners' tests and gives each one its own namespaces.
`kernel_profile` is for one Jupyter kernel.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from autograder.paths import PROGRAMS, WATCHDOG

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# configuration that programs look up: none of it is secret, and nothing else of /etc is visible
SETTINGS = (
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf",
    "passwd", "group", "protocols", "services", "ssl/certs", "ssl/openssl.cnf", "ca-certificates",
)  # fmt: skip
# without "zero": a shared mapping of it is memory that no limit counts
DEVICES = ("null", "full", "random", "urandom")
# the forkserver needs capabilities in the sandbox to mount, to create a network and to change users; apps never have them
CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN")


def program() -> str | None:
    """Return the path of bubblewrap, or None."""
    return shutil.which("bwrap")


def app_profile(place: str, folders: Iterable[str] = ()) -> list[str]:
    """Return the arguments to prepend to the forkserver's command, so that it runs in a read-only root.

    ``place`` is the folder that is writable and private to each app; ``folders`` are mounted read-only. The forkserver mounts
    an empty file system over ``place`` for each app. So folders inside ``place`` are bound a second time, to the path that
    `aliases` gives them, from which the forkserver mounts them again.
    """
    words = [str(program()), "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"]
    words += ["--new-session", "--clearenv"]
    if os.geteuid() == 0:
        words += ["--cap-drop", "ALL"]
        for capability in CAPABILITIES:
            words += ["--cap-add", capability]
    else:
        words += ["--unshare-user", "--cap-add", "ALL"]
    words += [*system(), *devices(), "--bind", "/proc", "/proc", "--tmpfs", place]
    own = visible()
    words += laid({path: path for path in own})
    words += laid(
        {path: name for path, name in aliases(place, [*own, *folders]).items() if path != name or path not in own}
    )
    return [*words, "--remount-ro", "/dev", "--remount-ro", place, "--remount-ro", "/", "--chdir", "/", "--"]


def kernel_profile(place: str) -> list[str]:
    """Return the arguments to prepend to a Jupyter kernel's command: a read-only root, with ``place`` writable."""
    words = [str(program()), "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", *system()]
    words += ["--dev", "/dev", "--proc", "/proc"]  # with terminals, because IPython starts programs in one
    words += laid({path: path for path in pythons()})
    words += ["--unsetenv", "JPY_PARENT_PID"]  # a kernel that can't see its parent process would exit
    return [*words, "--bind", place, place, "--remount-ro", "/", "--chdir", os.path.join(place, "work"), "--"]


def system() -> list[str]:
    """Return arguments that mount the system's programs, libraries and their configuration."""
    words = []
    for path in SYSTEM:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    for name in SETTINGS:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return words


def devices() -> list[str]:
    """Return arguments that create a ``/dev`` with the few devices that every program needs.

    It isn't ``--dev``: for an unprivileged user, bubblewrap then creates a second user namespace inside the first one, to
    mount ``/dev/pts``. The forkserver would be in the inner namespace and its PID namespace would belong to the outer one, so
    after the first app the kernel would refuse to let it return to its PID namespace (seen with bubblewrap 0.8.0).
    """
    words = ["--tmpfs", "/dev", "--dir", "/dev/shm"]
    for name in DEVICES:
        words += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        words += ["--symlink", f"/proc/self/fd{target}", f"/dev/{name}"]
    return words


def laid(paths: Mapping[str, str]) -> list[str]:
    """Return arguments that mount each of ``paths`` read-only at the path it maps to, and create the parent folders."""
    words = []
    for path, name in paths.items():
        for parent in reversed(Path(name).parents):
            words += ["--dir", str(parent)]  # bubblewrap itself would create them readable only by root
        words += ["--ro-bind", path, name]
    return words


def aliases(place: str, paths: Iterable[str]) -> dict[str, str]:
    """Map each path to its path in the sandbox's root: the same one, or one in ``/mnt`` if it's in ``place``."""
    paths = list(paths)
    covered = [path for path in paths if inside(path, place)]
    return {path: f"/mnt/{covered.index(path)}" if path in covered else path for path in paths}


def inside(path: str, folder: str) -> bool:
    """Return True if a path is ``folder`` or inside it."""
    return os.path.join(path, "").startswith(os.path.join(folder, ""))


def visible() -> list[str]:
    """Return the course's files and folders that every app's sandbox contains: this Python, and the scripts that run there."""
    return [*pythons(), str(PROGRAMS), str(WATCHDOG)]


def pythons() -> list[str]:
    """Return the folders of this Python, outermost first, that aren't inside the system's folders."""
    found = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix)} | {sys.prefix, sys.base_prefix}
    return sorted(path for path in found if path not in ("/", "/usr") and not path.startswith(("/usr/", "/lib/")))
