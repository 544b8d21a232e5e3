"""The processes that an app has started."""

from __future__ import annotations

from autograder.programs.procfs import children


def leaves(pid: int) -> int:
    """How many processes a process has started, itself or through others, that have started none themselves.

    0 if the system doesn't list children, or if it has started none.
    """
    return sum(leaves(child) or 1 for child in children(pid))
