"""The command line of bubblewrap for the read-only root in which apps are started."""

import os
import shutil
import sys
from pathlib import Path

from autograder.paths import PROGRAMS

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# what programs look up; nothing of this is secret, and nothing else of /etc is shown
SETTINGS = (
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf",
    "passwd", "group", "protocols", "services", "ssl/certs", "ssl/openssl.cnf", "ca-certificates",
)  # fmt: skip
# mounting, a network of one's own and another user need rights in the jail's own rooms; apps never have them
RIGHTS = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN")

# what runs in the process that serves an app
SERVING = ("forkserver.py", "serve_app.py", "loop_watchdog.py", "app_warm_up.py")


def program():
    """The path of bubblewrap, or None."""
    return shutil.which("bwrap")


def command(place, folders=()):
    """What to put before a command so that it runs in the read-only root.

    ``place`` is the folder that is writable and private to each app; ``folders`` are shown as well, read-only, those
    that lie in ``place`` under the names that `shown` gives them: each app has its own place laid over it.
    """
    rooms = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"]
    words = [program(), *rooms, "--new-session", "--clearenv"]
    if os.geteuid() == 0:
        words += ["--cap-drop", "ALL"]
        for right in RIGHTS:
            words += ["--cap-add", right]
    else:
        words += ["--unshare-user", "--cap-add", "ALL"]
    words += system()
    words += ["--dev", "/dev", "--bind", "/proc", "/proc", "--tmpfs", place]
    ours = {path: path for path in [*pythons(), *(str(PROGRAMS / name) for name in SERVING)]}
    words += laid({**ours, **shown(place, folders)})
    words += ["--remount-ro", "/dev", "--remount-ro", place, "--remount-ro", "/", "--chdir", "/", "--"]
    return words


def alone(place):
    """What to put before a command that is locked in by itself: the read-only root, and ``place`` to write in."""
    words = [program(), "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", *system()]
    words += ["--dev", "/dev", "--proc", "/proc"]
    for path in pythons():
        words += ["--ro-bind", path, path]
    words += ["--unsetenv", "JPY_PARENT_PID"]  # a kernel that does not see its parent takes it for gone
    return [*words, "--bind", place, place, "--remount-ro", "/", "--chdir", os.path.join(place, "work"), "--"]


def system():
    """Words that show the system's programs and libraries, and what they look up."""
    words = []
    for path in SYSTEM:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    for name in SETTINGS:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return words


def laid(paths):
    """Words that show each of ``paths``, read-only, at the place that it maps to, with the folders on the way there."""
    words = []
    for path, name in paths.items():
        for parent in reversed(Path(name).parents):
            words += ["--dir", str(parent)]  # left to itself bubblewrap makes them for root's eyes only
        words += ["--ro-bind", path, name]
    return words


def shown(place, folders):
    """Where each folder lies in the root: where it lies outside, unless that is in ``place``."""
    inside = [folder for folder in folders if folder.startswith(os.path.join(place, ""))]
    return {folder: f"/mnt/{inside.index(folder)}" if folder in inside else folder for folder in folders}


def pythons():
    """The folders of this Python, outermost first, that the system's folders do not hold."""
    found = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix)} | {sys.prefix, sys.base_prefix}
    return sorted(path for path in found if path not in ("/", "/usr") and not path.startswith(("/usr/", "/lib/")))
