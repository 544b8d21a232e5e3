"""The processes that an app has started, as Linux lists them in ``/proc/<pid>/task/<tid>/children``."""

from __future__ import annotations

import os


def leaves(pid: int | str) -> int:
    """How many processes a process has started, itself or through others, that have started none themselves.

    0 if the system doesn't list children, or if it has started none.
    """
    found = _children(pid)
    return sum(leaves(child) or 1 for child in found)


def _children(pid: int | str) -> list[str]:
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as table:
                found += table.read().split()
    except OSError:
        pass  # it, or a thread of it, has just ended
    return found
