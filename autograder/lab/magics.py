"""The cell magics ``%%app brew.py``, which saves the cell as a file and serves it, and ``%%keep``, which only saves it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.lab import app_errors, server
from autograder.lab.race import startup_blocks, startup_sentence
from autograder.lab.start_budget import StartTimeout

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def register(shell: InteractiveShell) -> None:
    """Add the cell magics to an IPython shell."""
    # IPython's annotation of this method lacks `self`
    shell.register_magic_function(app, "cell", "app")  # type: ignore[arg-type]
    shell.register_magic_function(keep, "cell", "keep")  # type: ignore[arg-type]


def app(line: str, cell: str) -> None:
    """Save the cell as a file next to the notebook, and serve it.

    A comment replaces the magic in the file's first line, so that line numbers in the file, in messages and in the cell are
    the same.
    """
    words = _words(line)
    if len(words) != 1:
        print("Write the file's name behind %%app, as in:  %%app brew.py")
        return
    name = words[0]
    problem = server.name_problem(name)
    if problem:
        print(problem)
        return
    server.stop()
    if not _saved(name, as_file(name, cell)):
        return
    try:
        running = server.serve(name)
    except (app_errors.AppError, StartTimeout) as error:
        # printed, not raised: the cell is saved, and `Run all` continues with the checks, which report it again
        print(error)
        return
    print(f"{name} is saved and served at {running.url}")
    for said in startup_sentence(startup_blocks(running.startup_reports, running.file)):
        print(said)


def keep(line: str, cell: str) -> None:
    """Save the cell as a file next to the notebook, without running it: a list, a test, a module of an app."""
    words = _words(line)
    if len(words) != 1 or not re.fullmatch(r"\w[\w-]*\.(py|txt)", words[0]):
        print("Write the name of a file behind %%keep, as in:  %%keep findings.txt  or  %%keep test_brew.py")
        return
    name = words[0]
    if name.endswith(".py") and server.name_problem(name):
        print(server.name_problem(name))
        return
    if _saved(name, as_file(name, cell, "%%keep")):
        print(f"{name} is saved")


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an unbalanced quotation mark
        return []


def _saved(name: str, text: str) -> bool:
    """Write the file and return True, or print why it can't be written and return False."""
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"{name} could not be saved here ({error.strerror}). Your cell is unchanged.")
        return False
    return True


def as_file(name: str, cell: str, magic: str = "%%app") -> str:
    """Return the text of the file for the body of a ``%%app`` or ``%%keep`` cell."""
    return f"# {name}: saved by the cell {magic} {name}\n" + cell.rstrip("\n") + "\n"
