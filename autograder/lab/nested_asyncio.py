"""The one line that lets ``asyncio.run`` work where a loop already runs, as it does in a notebook."""

from __future__ import annotations

import sys


def allow_asyncio_run() -> None:
    """Patch the running loop so that ``asyncio.run(...)`` works inside a notebook cell.

    nest-asyncio does the work up to Python 3.13.  It is archived and fails from 3.14 on, where its
    maintained fork, nest-asyncio2, has the same interface.  Only the notebook's own process is
    patched, never a process that serves an app: there the patch would hide a mistake.
    """
    if sys.version_info >= (3, 14):
        import nest_asyncio2 as nest_asyncio
    else:
        import nest_asyncio
    nest_asyncio.apply()
