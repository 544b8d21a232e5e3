"""``./course class feedback``: nbgrader's feedback pages for a class, several at a time, each only when something changed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbgrader.api import Gradebook
from sqlalchemy.exc import OperationalError

from autograder.classroom import cache_keys
from autograder.classroom.lessons import lesson_of
from autograder.classroom.nbgrader import feedback
from autograder.classroom.nbgrader.gradebook import Course, CourseError, NbGraderException

if TYPE_CHECKING:
    from autograder.classroom.nbgrader.feedback_writer import PageWriter

PAGES_PER_WORKER = 20  # a worker process takes as long to start as it takes to write so many pages
DONE, FAILED, BAD_INPUT = 0, 1, 2


def main(folder: str, lessons: Sequence[str] = (), workers: int | None = None, force: bool = False) -> int:
    """Write the pages that are missing or out of date, or all with ``force``.

    Returns 0, 1 if nbgrader couldn't write some of them, or 2 for a folder or a lesson that can't be used.
    """
    try:
        course = Course(folder)
        todo: dict[tuple[str, str], str] = {}
        kept = _read(course)
        for lesson in course.chosen(lessons):
            for student, print_ in fingerprints(course, lesson).items():
                is_current = kept.get(_name(lesson, student)) == print_ and _has_pages(course, lesson, student)
                if force or not is_current:
                    todo[lesson, student] = print_
    except CourseError as problem:
        print(problem, file=sys.stderr)
        return BAD_INPUT
    except OperationalError as problem:
        print(
            f"The gradebook can't be read: {problem.orig}. Try again when no other run is writing it.", file=sys.stderr
        )
        return BAD_INPUT
    failed = 0
    for (lesson, student), why in _written(course, list(todo), workers):
        if why:
            failed += 1
            print(f"{student}, {lesson}: nbgrader couldn't write the page: {why}", file=sys.stderr)
        else:
            kept[_name(lesson, student)] = todo[lesson, student]
    _keep(course, kept)
    print(
        f"{len(todo) - failed} pages written in {course.folder / 'feedback'}. Those of other students are up to date."
    )
    return FAILED if failed else DONE


def fingerprints(course: Course, lesson: str) -> dict[str, str]:
    """Return a hash of all that a student's page depends on, by student.

    That's the graded notebooks, what the gradebook has of them, the exercise, the settings, the code and the packages.
    """
    exercises = {lesson_of(ids, lesson, notebook) for notebook, ids in course.items(lesson).items()} - {None}
    base = hashlib.sha256((course.folder / "nbgrader_config.py").read_bytes())
    for part in (
        cache_keys.of_code("autograder.classroom.nbgrader.feedback_writer"),
        cache_keys.of_environment(),
        *(cache_keys.of_exercise(exercise) for exercise in sorted(filter(None, exercises))),
    ):
        base.update(part.encode())
    found = {}
    with Gradebook(course.paths.db_url, course.paths.course_id) as book:
        assignment = book.find_assignment(lesson)
        # by id, so that they're read once, and not for each student
        cells = {cell.id: _columns(cell) for notebook in assignment.notebooks for cell in notebook.grade_cells}
        for submission in assignment.submissions:
            student = submission.student.id
            files = sorted(course.autograded(lesson, student).glob("*.ipynb"))
            if not files:
                continue
            whole = base.copy()
            shown: list[Any] = [[file.name, cache_keys.of_file(file)] for file in files]
            shown.append(_columns(submission))
            for notebook in submission.notebooks:
                shown += [[_columns(grade), cells.get(grade.cell_id)] for grade in notebook.grades]
                shown += [[_columns(comment), comment.comment] for comment in notebook.comments]
            whole.update(json.dumps(shown, default=str).encode())
            found[student] = whole.hexdigest()
    return found


def _columns(row: Any) -> dict[str, Any]:
    """Return the values of a gradebook's row, by column of its table."""
    return {name: getattr(row, name) for name in row.__table__.columns.keys()}  # noqa: SIM118 -- not a dictionary


def _written(course: Course, todo: list[tuple[str, str]], workers: int | None) -> Iterator[tuple[tuple[str, str], str]]:
    """Write pages and yield each (lesson, student) with "" or the reason why its page couldn't be written."""
    most = workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    count = min(most, -(-len(todo) // PAGES_PER_WORKER))
    orders = [(str(course.folder), lesson, student) for lesson, student in todo]
    if count < 2:
        yield from zip(todo, map(_write, orders), strict=True)
        return
    # A fork has imported everything already, which takes a process seconds of CPU. The gradebook is closed by now, so it
    # shares no connection. A process with threads can't be forked safely.
    can_fork = sys.platform == "linux" and threading.active_count() == 1
    if can_fork:
        _writer(str(course.folder), todo[0][0])
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("fork" if can_fork else "spawn")) as pool:
        yield from zip(todo, pool.map(_write, orders, chunksize=5), strict=True)


def _write(order: tuple[str, str, str]) -> str:
    """Write the pages of one student in this process; returns "" or why it can't be done."""
    folder, lesson, student = order
    writer, course = _writer(folder, lesson)
    feedback.remove_not_graded(course.feedback(lesson, student))
    try:
        writer.write(student)
    except NbGraderException as problem:
        return str(problem)
    return ""


@cache
def _writer(folder: str, lesson: str) -> tuple[PageWriter, Course]:
    """Return this process's writer of a lesson's pages."""
    from autograder.classroom.nbgrader.feedback_writer import PageWriter

    course = Course(folder)
    return PageWriter.of(course, lesson), course


def _has_pages(course: Course, lesson: str, student: str) -> bool:
    """True if each graded notebook of a student has a page."""
    pages = course.feedback(lesson, student)
    return all((pages / f"{file.stem}.html").is_file() for file in course.autograded(lesson, student).glob("*.ipynb"))


def _name(lesson: str, student: str) -> str:
    """Return the key of a student's pages for a lesson."""
    return f"{lesson}/{student}"


def _file(course: Course) -> Path:
    return course.folder / ".grading" / "feedback.json"


def _read(course: Course) -> dict[str, str]:
    """Return the fingerprints with which pages were written; empty if the file is missing or damaged."""
    try:
        found = json.loads(_file(course).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(course: Course, kept: dict[str, str]) -> None:
    """Replace the file of fingerprints in one step."""
    file = _file(course)
    file.parent.mkdir(exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(kept, indent=0, sort_keys=True), encoding="utf-8")
    new.replace(file)
