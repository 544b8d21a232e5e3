"""The cell magic ``%%app brew.py``: the cell is the file.  Save it, serve it, say so in one line."""

import shlex
from pathlib import Path

from . import server


def register(shell):
    shell.register_magic_function(app, "cell", "app")


def app(line, cell):
    """Save the cell as the named file beside the notebook, and serve it.

    The file's first line is a comment in the place of the magic, so that line numbers in the file,
    in messages and in the cell are the same.
    """
    words = shlex.split(line)
    if len(words) != 1:
        print("Write the file's name behind %%app, as in:  %%app brew.py")
        return
    name = words[0]
    problem = server.name_problem(name)
    if problem:
        print(problem)
        return
    server.stop()
    try:
        Path(name).write_text(as_file(name, cell), encoding="utf-8")
    except OSError as error:
        print(f"{name} could not be saved here ({error.strerror}). Your cell is unchanged.")
        return
    try:
        running = server.serve(name)
    except server.AppError as error:
        # printed, not raised: the cell is saved, and `Run all` goes on to the checks, which say it again
        print(error)
        return
    print(f"{name} is saved and served at {running.url}")


def as_file(name, cell):
    """The text of the file for the body of a ``%%app`` cell."""
    return f"# {name}: saved by the cell %%app {name}\n" + cell.rstrip("\n") + "\n"
