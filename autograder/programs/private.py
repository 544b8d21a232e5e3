"""Makes a process's memory and open files inaccessible to other processes of the same user.

The load generator, the HTTP upstream and grading workers call it when they start.
"""

from __future__ import annotations

import ctypes
import sys

PR_SET_DUMPABLE = 4


def keep_private() -> None:
    """Deny other processes of this user access to this one's memory, and to its pipes in /proc. Only Linux supports it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)
