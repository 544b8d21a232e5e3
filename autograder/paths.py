"""The folders of a clone of the course, and the folders with a teacher's own exercises."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = ROOT / "solutions"
NOTEBOOKS = ROOT / "notebooks"
PROGRAMS = ROOT / "autograder" / "programs"  # scripts that are started by path, each in its own process
TAKEHOME = ROOT / "autograder" / "takehome"  # the project of the package `freeloop`, which learners install anywhere
WATCHDOG = TAKEHOME / "freeloop" / "core"  # its modules that scripts in `PROGRAMS` import by name (see serve_app.py)


# names the folders with a teacher's own exercises: a variable, so that each process that this one starts knows them, too
OWN_EXERCISES = "COURSE_EXERCISES"


def own_exercises() -> list[Path]:
    """Return the folders outside the clone in which a teacher keeps exercises."""
    return [Path(folder) for folder in os.environ.get(OWN_EXERCISES, "").split(os.pathsep) if folder]


def add_own_exercises(folder: Path | str) -> None:
    """Add a folder of exercises for this process and those that it starts."""
    folders = [str(known) for known in own_exercises()]
    if str(folder) not in folders:
        os.environ[OWN_EXERCISES] = os.pathsep.join([*folders, str(folder)])


def exercises() -> list[Path]:
    """Return the folders that hold a whole exercise, in ``solutions/`` and in a teacher's own folders, in order of their names."""
    places = [SOLUTIONS, *own_exercises()]
    found = (file.parent for place in places for file in place.glob("[0-9][0-9]_*/exercise.toml"))
    return sorted((folder for folder in found if (folder / "exercise.py").is_file()), key=lambda folder: folder.name)


def exercise(name: str) -> Path:
    """Return the folder of the exercise with this name. It's one of the clone's if there's none."""
    return next((place / name for place in own_exercises() if (place / name).is_dir()), SOLUTIONS / name)
