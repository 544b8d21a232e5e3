"""The processes that an app has started."""

from __future__ import annotations

from autograder.programs.procfs import children


def leaves(pid: int) -> int:
    """Return the number of descendants of a process that have no children themselves.

    0 if the process has no children, or if the system doesn't list them.
    """
    return sum(leaves(child) or 1 for child in children(pid))
