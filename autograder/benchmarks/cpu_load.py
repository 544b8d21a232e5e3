"""Put load on the machine on purpose: CPU-bound processes and a CPU quota."""

import contextlib
import os
import sys
from pathlib import Path

from autograder.errors import UserFacingError
from autograder.managed_process import ManagedProcess

HOG = "import sys, threading\nthreading.Thread(target=lambda: sys.stdin.read() or __import__('os')._exit(0)).start()\nwhile True: pass"
PERIOD = 100_000  # µs, the kernel's default
CGROUP_V2, CGROUP_V1 = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/cpu")


class NoQuota(UserFacingError):
    """This machine can't set a CPU quota. The message says why."""


@contextlib.contextmanager
def hogs(count):
    """Run ``count`` CPU-bound processes during the ``with`` block, and end them after it, whatever happens."""
    processes = [ManagedProcess([sys.executable, "-c", HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.end()
            process.close()


@contextlib.contextmanager
def quota(percent):
    """Limit this process, and all that it starts, to ``percent`` of one CPU during the ``with`` block; None sets no limit.

    This uses control groups, which need Linux and root. Raise `NoQuota` if they can't be used.
    """
    if percent is None:
        yield
        return
    v2 = (CGROUP_V2 / "cgroup.controllers").is_file()
    parent = CGROUP_V2 if v2 else CGROUP_V1
    group = parent / f"course-{os.getpid()}"
    try:
        group.mkdir()
        limit = PERIOD * percent // 100
        if v2:
            (group / "cpu.max").write_text(f"{limit} {PERIOD}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(limit))
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        raise NoQuota(
            f"A CPU quota needs Linux, root and writable control groups ({error.strerror}). Leave out --quota."
        ) from None
    try:
        yield
    finally:
        (parent / "cgroup.procs").write_text(str(os.getpid()))
        with contextlib.suppress(OSError):  # a process that is still ending keeps the group alive
            group.rmdir()
