"""Locks a learner's test in: a read-only system, one small folder, no other processes, no network but two doors.

`jail` locks in apps, which are served by our host; a test is a program of its own and needs its own wall.
"""

import os

from autograder.paths import PROGRAMS
from autograder.sandbox import bubblewrap

INSIDE = "/test"  # where its folder lies for the test


def command(folder, environment):
    """The words that go before a command so that it runs behind the wall, with ``folder`` as the only one to write to."""
    words = [bubblewrap.program(), "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--new-session"]
    words += ["--die-with-parent", "--clearenv"]
    words += ["--cap-drop", "ALL"] if os.geteuid() == 0 else ["--unshare-user"]
    for name, value in environment.items():
        words += ["--setenv", name, value]
    words += [*bubblewrap.system(), "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    ours = [*bubblewrap.pythons(), str(PROGRAMS / "run_pytest.py"), str(PROGRAMS / "port_forward.py")]
    words += bubblewrap.laid({path: path for path in ours})
    return [*words, "--bind", str(folder), INSIDE, "--remount-ro", "/", "--chdir", INSIDE, "--"]
