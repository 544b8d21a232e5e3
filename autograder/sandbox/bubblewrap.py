"""The command line of bubblewrap: one builder, and a profile for each kind of process that it locks in.

`app_profile` is for the forkserver, which starts apps and learners' tests and gives each one namespaces of its own;
`kernel_profile` is for one Jupyter kernel, which is locked in by itself.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from autograder.paths import PROGRAMS, WATCHDOG

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# what programs look up; nothing of this is secret, and nothing else of /etc is shown
SETTINGS = (
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf",
    "passwd", "group", "protocols", "services", "ssl/certs", "ssl/openssl.cnf", "ca-certificates",
)  # fmt: skip
DEVICES = ("null", "zero", "full", "random", "urandom")
# mounting, a network of its own and another user need rights inside the sandbox; apps never have them
CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN")


def program() -> str | None:
    """Return the path of bubblewrap, or None."""
    return shutil.which("bwrap")


def app_profile(place: str, folders: Iterable[str] = ()) -> list[str]:
    """Return the words that go before the forkserver's command, so that it runs in a read-only root.

    ``place`` is the folder that is writable and private to each app; ``folders`` are shown as well, read-only. The
    forkserver mounts an empty file system over ``place`` for each app, so whatever lies below ``place`` is bound a second
    time, under the name that `aliases` gives it, from where the forkserver brings it back.
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
    """Return the words that go before a Jupyter kernel's command: a read-only root, and ``place`` to write to."""
    words = [str(program()), "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", *system()]
    words += ["--dev", "/dev", "--proc", "/proc"]  # with terminals: IPython starts programs in one
    words += laid({path: path for path in pythons()})
    words += ["--unsetenv", "JPY_PARENT_PID"]  # a kernel that does not see its parent takes it for gone
    return [*words, "--bind", place, place, "--remount-ro", "/", "--chdir", os.path.join(place, "work"), "--"]


def system() -> list[str]:
    """Return words that show the system's programs and libraries, and what they look up."""
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
    """Return words that make a ``/dev`` of the few devices that every program needs.

    Not ``--dev``: for an ordinary user bubblewrap then makes a second user namespace inside the first, in order to mount
    ``/dev/pts``. The forkserver would be in the inner one, its process ids in the outer one, and after the first app the
    system would refuse to let it back into its own namespace of process ids (seen with bubblewrap 0.8.0).
    """
    words = ["--tmpfs", "/dev", "--dir", "/dev/shm"]
    for name in DEVICES:
        words += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        words += ["--symlink", f"/proc/self/fd{target}", f"/dev/{name}"]
    return words


def laid(paths: Mapping[str, str]) -> list[str]:
    """Return words that show each of ``paths``, read-only, under the name it maps to, with the folders on the way there."""
    words = []
    for path, name in paths.items():
        for parent in reversed(Path(name).parents):
            words += ["--dir", str(parent)]  # bubblewrap itself makes them for root's eyes only
        words += ["--ro-bind", path, name]
    return words


def aliases(place: str, paths: Iterable[str]) -> dict[str, str]:
    """Map each path to where it lies in the root: the same path, or one below ``/mnt`` if it lies in ``place``."""
    paths = list(paths)
    covered = [path for path in paths if inside(path, place)]
    return {path: f"/mnt/{covered.index(path)}" if path in covered else path for path in paths}


def inside(path: str, folder: str) -> bool:
    """True if a path is ``folder`` or lies below it."""
    return os.path.join(path, "").startswith(os.path.join(folder, ""))


def visible() -> list[str]:
    """Return the files and folders of ours that every sandbox of apps shows: this Python, and the programs that run there."""
    return [*pythons(), str(PROGRAMS), str(WATCHDOG)]


def pythons() -> list[str]:
    """Return the folders of this Python, outermost first, that the system's folders do not hold."""
    found = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix)} | {sys.prefix, sys.base_prefix}
    return sorted(path for path in found if path not in ("/", "/usr") and not path.startswith(("/usr/", "/lib/")))
