"""A busy machine, made on purpose: processes that never stop computing, and a CPU quota."""

import contextlib
import os
import sys
from pathlib import Path

from autograder.errors import UserFacingError
from autograder.managed_process import ManagedProcess

HOG = "import sys, threading\nthreading.Thread(target=lambda: sys.stdin.read() or __import__('os')._exit(0)).start()\nwhile True: pass"
PERIOD = 100_000  # µs, the kernel's own default
VERSION_2, VERSION_1 = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/cpu")


class NoQuota(UserFacingError):
    """This machine cannot set a CPU quota; the message says why."""


@contextlib.contextmanager
def hogs(count):
    """That many processes that never stop computing, gone at the end whatever happens."""
    processes = [ManagedProcess([sys.executable, "-c", HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.end()
            process.close()


@contextlib.contextmanager
def quota(percent):
    """Hold this process, and all that it starts, to ``percent`` of one CPU; None sets no limit.

    By control groups, which takes Linux and root.  Raises `NoQuota` where that cannot be done.
    """
    if percent is None:
        yield
        return
    second = (VERSION_2 / "cgroup.controllers").is_file()
    parent = VERSION_2 if second else VERSION_1
    group = parent / f"course-{os.getpid()}"
    try:
        group.mkdir()
        limit = PERIOD * percent // 100
        if second:
            (group / "cpu.max").write_text(f"{limit} {PERIOD}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(limit))
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        raise NoQuota(
            f"A CPU quota needs Linux, root and control groups that can be written to ({error.strerror}). "
            "Leave out --quota."
        ) from None
    try:
        yield
    finally:
        (parent / "cgroup.procs").write_text(str(os.getpid()))
        with contextlib.suppress(OSError):  # a process of ours that is only just ending keeps it
            group.rmdir()
