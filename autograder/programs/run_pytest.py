"""Runs pytest on a learner's test, in the folder that holds the test and its conftest.

The sandbox's forkserver imports it and calls `main` in a process that is locked in and has its limits (see forkserver.py).
Where there is no sandbox it is started by path, as ``python -I run_pytest.py FD TEST FILTER``, and sets limits itself; a byte
on the descriptor FD says that it got that far, so that the exit code is pytest's. (FD is "-" on Windows, which passes none
on.) FILTER is "filtered" if system calls are taken away from the test, else "-".
"""

from __future__ import annotations

import os
import sys

LIMITS = {"RLIMIT_CPU": 120, "RLIMIT_FSIZE": 64 << 20, "RLIMIT_AS": 4 << 30, "RLIMIT_CORE": 0}


def set_limits() -> None:
    """Take the `LIMITS`, where the system has such."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, most in LIMITS.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(getattr(resource, name), (limit, limit))


def filter_system_calls() -> None:
    """Take away what `syscall_filter` denies, from this process and all that it starts."""
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, folder)
    import syscall_filter

    sys.path.remove(folder)
    syscall_filter.apply()


def main(test: str) -> int:
    """Run pytest on the file ``test`` and return its exit code."""
    import pytest

    return int(pytest.main(["-q", "--tb=short", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", test]))


if __name__ == "__main__":
    set_limits()
    import pytest  # noqa: F401  # before it counts as started

    if sys.argv[3] == "filtered":
        filter_system_calls()
    if sys.argv[1] != "-":
        os.write(int(sys.argv[1]), b"s")
        os.close(int(sys.argv[1]))
    sys.exit(main(sys.argv[2]))
