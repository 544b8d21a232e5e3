"""Runs pytest on a learner's test, in the folder that holds the test and its conftest.

The sandbox's forkserver imports it and calls `main` in a sandboxed process that has its limits (see forkserver.py).
Without a sandbox it's started by path, as ``python -I run_pytest.py FD TEST FILTER``, and sets limits itself. It writes a
byte to the file descriptor FD just before pytest starts, which shows that the exit code is pytest's. (FD is "-" on Windows,
which can't pass descriptors on.) FILTER is "filtered" if the test gets the system call filter, else "-".
"""

from __future__ import annotations

import os
import sys

LIMITS = {"RLIMIT_CPU": 120, "RLIMIT_FSIZE": 64 << 20, "RLIMIT_AS": 4 << 30, "RLIMIT_CORE": 0}


def set_limits() -> None:
    """Set the `LIMITS`, where the system has resource limits."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, most in LIMITS.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(getattr(resource, name), (limit, limit))


def filter_system_calls() -> None:
    """Apply `syscall_filter` to this process and all processes that it starts."""
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
