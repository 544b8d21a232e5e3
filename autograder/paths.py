"""The folders of a clone of the course."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = ROOT / "solutions"
NOTEBOOKS = ROOT / "notebooks"
PROGRAMS = ROOT / "autograder" / "programs"  # scripts that are started by path, each in its own process
TAKEHOME = ROOT / "autograder" / "takehome"  # the project of the package `freeloop`, which learners install anywhere
WATCHDOG = TAKEHOME / "freeloop" / "core"  # its modules that scripts in `PROGRAMS` import by name (see serve_app.py)


def exercises() -> list[Path]:
    """Return the lesson folders in ``solutions/`` that hold a whole exercise, in order."""
    found = (file.parent for file in SOLUTIONS.glob("[0-9][0-9]_*/exercise.toml"))
    return sorted(folder for folder in found if (folder / "exercise.py").is_file())
