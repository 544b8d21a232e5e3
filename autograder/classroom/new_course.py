"""``./course class new FOLDER``: a teacher's nbgrader course folder with the exercises in it."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from autograder import paths
from autograder.classroom import build, lessons
from autograder.classroom.nbgrader import config
from autograder.classroom.nbgrader.gradebook import Course, CourseError
from autograder.judge.spec.endpoint import ExerciseError

CONFIG = '''"""nbgrader's configuration for this course; `nbgrader` reads it when it is run in this folder."""

from autograder.classroom.nbgrader import config

c = get_config()  # noqa: F821, nbgrader provides it
config.apply(c)
c.CourseDirectory.course_id = {name!r}
'''

OWN = "config.use_exercises({folder!r})\n"
OWN_LATER = "\nfrom autograder.classroom.nbgrader import config\n\n" + OWN  # in a file that may have been changed since

NEXT = """{folder} is a course folder for nbgrader, with {count} in source/. In it:
  nbgrader generate_assignment {lesson}    makes what students get
  nbgrader release_assignment {lesson}     hands it out through the exchange
  nbgrader collect {lesson}                brings back what they handed in
  python -m autograder class grade . {lesson}   grades it, many at a time
  nbgrader generate_feedback {lesson}      writes a page for each student
Run them in the course's environment: {activate}"""


def main(folder: str, chosen: Iterable[str] = (), points: Iterable[str] = (), own: str | None = None) -> int:
    """Create the folder, or add the ``chosen`` lessons to it. Return an exit code. Nothing that exists is overwritten.

    ``chosen`` holds names of exercises and ranges of their numbers, as in "01-05"; ``points`` holds "LESSON=N", where N
    is what the whole exercise is worth. ``own`` is a folder with exercises of the teacher's own.
    """
    root = Path(folder).resolve()
    is_course = (root / "nbgrader_config.py").is_file()
    private = Path(own).resolve() if own else None
    try:
        if is_course:
            Course(root)  # its nbgrader_config.py names the folders of exercises that it has already
        is_new = private is not None and private not in paths.own_exercises()
        if private:
            config.use_exercises(str(private))
        known = paths.exercises()
        lessons.check_unique(known)
        selected = _selected(list(chosen), known)
        worth = _worth(points, selected)
        if not chosen and root.exists() and (not root.is_dir() or any(root.iterdir())):
            print(f"{root} exists already. Name a folder that is new or empty; nothing was changed.")
            print("To add a lesson to a course folder, name it: class new FOLDER --lessons LESSON")
            return 2
        if root.exists() and not is_course and (not root.is_dir() or any(root.iterdir())):
            print(f"{root} exists already, and isn't a course folder; nothing was changed.")
            return 2
        there = [lesson.name for lesson in selected if (root / "source" / lesson.name).exists()]
        if there:
            print(f"{root / 'source' / there[0]} exists already; nothing was changed.")
            return 2
        (root / "source").mkdir(parents=True, exist_ok=True)
        if not is_course:
            (root / "nbgrader_config.py").write_text(CONFIG.format(name=root.name), encoding="utf-8")
        if private and (is_new or not is_course):
            with (root / "nbgrader_config.py").open("a", encoding="utf-8") as settings:
                settings.write((OWN_LATER if is_course else OWN).format(folder=str(private)))
        for lesson in selected:
            build.write_source(lesson, root / "source", worth.get(lesson.name))
    except (OSError, ExerciseError, CourseError) as error:
        print(f"The folder could not be made: {error}")
        return 2
    count = "1 exercise" if len(selected) == 1 else f"{len(selected)} exercises"
    print(NEXT.format(folder=root, count=count, lesson=selected[0].name, activate=_activate()))
    return 0


def _selected(chosen: list[str], known: list[Path]) -> list[Path]:
    """Return the folders of the lessons that are meant by names, numbers and ranges. Raises `ExerciseError`."""
    if not chosen:
        return known
    found = set()
    for word in chosen:
        first, dash, last = word.partition("-")
        if dash and first.isdigit() and last.isdigit():
            meant = [folder for folder in known if int(first) <= int(folder.name[:2]) <= int(last)]
        else:
            meant = [folder for folder in known if word in (folder.name, folder.name[:2])]
        if not meant:
            raise ExerciseError(
                f"there is no exercise {word!r}. There are: {', '.join(folder.name for folder in known)}."
            )
        found.update(meant)
    return sorted(found)


def _worth(points: Iterable[str], selected: list[Path]) -> dict[str, float]:
    """Return the points of each lesson that is named in words like "01=10". Raises `ExerciseError`."""
    found = {}
    for word in points:
        name, _, number = word.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise ExerciseError(f"points are given as LESSON=N, as in 01=10, not {word!r}.")
        found.update({folder.name: value for folder in _selected([name], selected)})
    return found


def _activate() -> str:
    """Return the shell command that activates the environment of this Python."""
    if sys.platform == "win32":
        return str(Path(sys.prefix) / "Scripts" / "activate")
    return f"source {shlex.quote(str(Path(sys.prefix) / 'bin' / 'activate'))}"
