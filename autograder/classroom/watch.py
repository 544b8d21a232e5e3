"""``./course class watch``: grades what arrives in a course folder or in nbgrader's exchange, and returns feedback at once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from jupyter_core.paths import jupyter_config_path
from traitlets.config import Config, PyFileConfigLoader

from autograder.classroom import class_feedback, grade_class, handed_in, intake
from autograder.classroom.nbgrader.gradebook import Course, CourseError

INTERVAL_S = 10.0  # between two looks
EXCHANGE = "/usr/local/share/nbgrader/exchange"  # nbgrader's own default

Seen = dict[tuple[str, str], object]


def main(
    folder: str,
    lessons: Sequence[str] = (),
    exchange: bool = False,
    tries: int | None = None,
    interval: float = INTERVAL_S,
    once: bool = False,
    workers: int | None = None,
    isolation: str = "none",
) -> int:
    """Watch until Ctrl-C, or look only ``once``.

    With ``exchange``, submissions are collected from nbgrader's exchange and feedback is released there. A student's answers
    after the first ``tries`` different ones aren't graded. ``interval`` is in seconds. Returns 0, 2 for bad input, or 3 if
    grading had to stop.
    """
    try:
        course = Course(folder, isolation)
        chosen = course.chosen(lessons)
    except CourseError as problem:
        print(problem, file=sys.stderr)
        return grade_class.BAD_INPUT
    inbox = inbound(course) if exchange else None
    if inbox and not inbox.is_dir():
        print(f"There is no {inbox}. Release a lesson first: nbgrader release_assignment LESSON", file=sys.stderr)
        return grade_class.BAD_INPUT
    print(f"Watching {inbox or course.inbox()} for {', '.join(chosen)}. Stop with Ctrl-C.", flush=True)
    seen: Seen = {}
    collected: set[str] = set()
    while True:
        if inbox:
            collected = _collect(course, inbox, collected, chosen)
        code = _grade_new(course, chosen, seen, exchange, tries, workers, isolation)
        if once or code == grade_class.STOPPED:
            return grade_class.STOPPED if code == grade_class.STOPPED else grade_class.ALL_GRADED
        time.sleep(interval)


def _grade_new(
    course: Course,
    lessons: Sequence[str],
    seen: Seen,
    exchange: bool,
    tries: int | None,
    workers: int | None,
    isolation: str,
) -> int:
    """Grade the lessons in which something is new, and note it as ``seen``. Returns the highest exit code of them."""
    highest = grade_class.ALL_GRADED
    for lesson in lessons:
        found = {(lesson, student): state(place) for student, place in course.handed_in(lesson).items()}
        if not any(seen.get(key) != value for key, value in found.items()):
            continue
        code = grade_class.main(str(course.folder), [lesson], workers, isolation, tries=tries)
        highest = max(highest, code)
        if code in (grade_class.BAD_INPUT, grade_class.STOPPED):
            continue  # it's tried again: another run may hold the gradebook
        class_feedback.main(str(course.folder), [lesson])
        if exchange:
            _nbgrader(course, "release_feedback", lesson)
        seen.update(found)
    return highest


def state(folder: Path) -> object:
    """Return what changes when a student hands something in again; nothing in the folder is opened or followed."""
    try:
        if handed_in.problem(folder):
            return "refused"
        files = sorted(path for path in folder.rglob("*") if not path.name.endswith(intake.REPLACED))
        seen = [(str(file.relative_to(folder)), file.lstat()) for file in files]
    except FileNotFoundError:
        return "changing"  # a file was replaced during this look; the next one sees the new state
    return tuple((name, status.st_mtime_ns, status.st_size) for name, status in seen)


def inbound(course: Course) -> Path:
    """Return the folder of the exchange in which submissions arrive, from the same files as nbgrader's own commands."""
    config = Config()
    for folder in reversed(jupyter_config_path()):
        if Path(folder, "nbgrader_config.py").is_file():
            config.merge(PyFileConfigLoader("nbgrader_config.py", path=folder).load_config())
    config.merge(course.config)
    return Path(config.Exchange.get("root", EXCHANGE), course.paths.course_id, "inbound")


def _collect(course: Course, inbox: Path, before: set[str], lessons: Sequence[str]) -> set[str]:
    """Collect the lessons for which something new arrived; returns the names that are there now."""
    names = {place.name for place in inbox.iterdir()}
    # as nbgrader reads them: student+lesson+time, and a random part
    arrived = {parts[1] for name in names - before if len(parts := name.rsplit("+", 3)) > 2}
    for lesson in lessons:
        if lesson in arrived:
            _nbgrader(course, "collect", lesson, "--update")
    return names


def _nbgrader(course: Course, command: str, *words: str) -> None:
    """Run one of nbgrader's commands in the course folder. What it says is shown if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", command, *words], cwd=course.folder, capture_output=True, text=True
    )
    if done.returncode:
        print(f"nbgrader {command} {' '.join(words)} failed:\n{done.stderr.strip()}", file=sys.stderr, flush=True)
