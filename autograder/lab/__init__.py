"""The lab: serve an app in its own process, race requests against it, and draw what happened.

A notebook imports this package as ``lab`` and uses what is listed here::

    app = lab.serve("brew.py")              # or the cell magic %%app brew.py
    race = await lab.race("/brew?wait=0.2", n=10)
    lab.side_by_side(before, race)

Imports run downwards only: the lab knows nothing of exercises, points or verdicts.
"""

from __future__ import annotations

import os
import types
from typing import TYPE_CHECKING

from autograder.lab import diagrams
from autograder.lab.app_errors import AppError
from autograder.lab.live_plot import side_by_side
from autograder.lab.load import Load, load
from autograder.lab.nested_asyncio import allow_asyncio_run
from autograder.lab.predictions import Prediction, predict
from autograder.lab.race import Race
from autograder.lab.run_race import race
from autograder.lab.server import Server, current, serve, stop
from autograder.lab.timeline import draw

if TYPE_CHECKING:
    from typing import Any

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.lib.pretty import RepresentationPrinter


__all__ = [
    "AppError",
    "Load",
    "Prediction",
    "Race",
    "Server",
    "allow_asyncio_run",
    "current",
    "diagrams",
    "draw",
    "load",
    "predict",
    "race",
    "serve",
    "side_by_side",
    "stop",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Load the IPython extension: add the cell magics, and the short form of the course's errors."""
    from autograder.lab.magics import register
    from autograder.lab.progress import Line
    from autograder.lab.timeline import prepare

    register(shell)
    # during grading, no one watches the output
    if getattr(shell, "kernel", None) is not None and not os.environ.get("NBGRADER_EXECUTION"):
        Line(shell)
    prepare()
    # the most common mistake with the lab's functions; a bare <coroutine object ...> explains nothing
    if shell.display_formatter is not None:
        shell.display_formatter.formatters["text/plain"].for_type(types.CoroutineType, _forgotten_await)


def _forgotten_await(
    coroutine: types.CoroutineType[Any, Any, Any], printer: RepresentationPrinter, cycle: bool
) -> None:
    printer.text(
        f"Nothing has run yet. Write `await` before the call: await {coroutine.__qualname__.split('.')[-1]}(...)"
    )
