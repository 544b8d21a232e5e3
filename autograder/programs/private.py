"""Keeps a process's memory and open files from other processes of the same user.

The process of the load generator, that of the HTTP upstream and grading workers do so at their start.
"""

from __future__ import annotations

import ctypes
import sys

PR_SET_DUMPABLE = 4


def keep_private() -> None:
    """No process of our own user may look into this one or take its pipes from /proc; only Linux can be told so."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)
