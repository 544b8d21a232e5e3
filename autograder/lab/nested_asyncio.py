"""Lets ``asyncio.run`` work where a loop is already running, as in a notebook."""

from __future__ import annotations

import sys


def allow_asyncio_run() -> None:
    """Patch the running loop so that ``asyncio.run(...)`` works inside a notebook cell.

    nest-asyncio is used up to Python 3.13. It's archived and fails from 3.14 on, where its maintained fork, nest-asyncio2, has
    the same interface. Only the notebook's own process is patched, never one that serves an app, where the patch would hide a
    mistake.
    """
    if sys.version_info >= (3, 14):
        import nest_asyncio2 as nest_asyncio
    else:
        import nest_asyncio
    nest_asyncio.apply()
