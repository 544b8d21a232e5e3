"""``./course class new FOLDER``: a teacher's nbgrader course folder with the exercises in it."""

import shlex
import sys
from pathlib import Path

from autograder import paths
from autograder.classroom import build
from autograder.judge.spec.endpoint import ExerciseError

CONFIG = '''"""nbgrader's configuration for this course; `nbgrader` reads it when it is run in this folder."""

from autograder.classroom.nbgrader import config

c = get_config()  # noqa: F821, nbgrader provides it
config.apply(c)
c.CourseDirectory.course_id = {name!r}
'''

NEXT = """{folder} is a course folder for nbgrader, with {count} in source/. In it:
  nbgrader generate_assignment {lesson}    makes what students get
  nbgrader release_assignment {lesson}     hands it out through the exchange
  nbgrader collect {lesson}                brings back what they handed in
  python -m autograder class grade . {lesson}   grades it, many at a time
  nbgrader generate_feedback {lesson}      writes a page for each student
Run them in the course's environment: {activate}"""


def main(folder):
    """Make the folder.  Returns an exit code; nothing that exists is written over."""
    folder = Path(folder).resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        print(f"{folder} exists already. Name a folder that is new or empty; nothing was changed.")
        return 2
    try:
        (folder / "source").mkdir(parents=True)
        (folder / "nbgrader_config.py").write_text(CONFIG.format(name=folder.name), encoding="utf-8")
        lessons = paths.exercises()
        for lesson in lessons:
            build.write_source(lesson, folder / "source")
    except (OSError, ExerciseError) as error:
        print(f"The folder could not be made: {error}")
        return 2
    count = "1 exercise" if len(lessons) == 1 else f"{len(lessons)} exercises"
    print(NEXT.format(folder=folder, count=count, lesson=lessons[0].name, activate=_activate()))
    return 0


def _activate():
    if sys.platform == "win32":
        return str(Path(sys.prefix) / "Scripts" / "activate")
    return f"source {shlex.quote(str(Path(sys.prefix) / 'bin' / 'activate'))}"
