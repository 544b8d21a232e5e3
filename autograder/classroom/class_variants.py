"""``./course class variants``: writes the notebook of each student of a class, with the student's own variant of an exercise.

nbgrader has one release of an assignment, which all students can read (docs/decisions/0010), so the variants aren't in
``release/``. They're written to ``handout/LESSON``, as a folder and a zip archive for each student.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat

from autograder import paths
from autograder.classroom import build, draw, grade_class, lessons
from autograder.classroom.nbgrader.gradebook import Course, CourseError, NbGraderException
from autograder.classroom.printable import printable
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.exercise import Exercise, load
from autograder.judge.spec.variants import Variant, label, tag

DONE, BAD_INPUT = 0, 2
SEED_MIN = 16  # characters: a shorter one can be found by trying, from a few students' variants
NOTE = "personal_notebook.txt"
NOTE_TEXT = """Each student has a notebook of their own in this assignment. Put the files that you were given into this folder,
and submit it as usual.
"""
SAME_TIME = (1980, 1, 1, 0, 0, 0)  # of the files in an archive, so that it's the same each time


def main(folder: str, lesson: str, seed: str | None = None, only_list: bool = False) -> int:
    """Write ``handout/LESSON`` for all students in the gradebook, or list their variants. Return an exit code."""
    try:
        course = Course(folder)
        known = course.lessons()
        if lesson not in known:
            raise CourseError(grade_class.unknown(lesson, known, course))
        exercise, notebook = _exercise(course, lesson)
        students = _students(course)
        if only_list:
            if not draw.seed_of(course.folder):
                raise CourseError("No variants have been drawn in this course. Run the same without --list.")
            for student, variant in course.variants(exercise.lesson, students).items():
                print(f"{printable(student)}: {label(variant or exercise.variant)}")
            return DONE
        draw.keep_seed(course.folder, seed or "")
        if len(draw.seed_of(course.folder)) < SEED_MIN:
            print(
                f"The seed is short, so students could find it by trying. Use {SEED_MIN} characters or more.",
                file=sys.stderr,
            )
        drawn = {student: v or exercise.variant for student, v in course.variants(exercise.lesson, students).items()}
        target = course.folder / "handout" / lesson
        _write(course, exercise, lesson, notebook, drawn, target)
        _withhold(course, lesson, notebook)
    except (CourseError, ExerciseError, lessons.LessonMismatch, NbGraderException, OSError) as problem:
        print(f"No variants were written: {problem}", file=sys.stderr)
        return BAD_INPUT
    count = len({tag(variant) for variant in drawn.values()})
    print(
        f"{target} has a folder and a zip archive for each of {len(drawn)} students, with {count} different variants."
    )
    print(f"The seed is in {course.folder / draw.SEED}. Keep it: grading draws the variants again from it.")
    return DONE


def _exercise(course: Course, lesson: str) -> tuple[Exercise, str]:
    """Return the exercise of an assignment that has variants, and its notebook's name. Raises `CourseError`."""
    for notebook, ids in course.items(lesson).items():
        name = lessons.lesson_of(ids, lesson, notebook, course.source(lesson))
        if name and (exercise := load(paths.exercise(name))).variants:
            return exercise, notebook
    raise CourseError(f"{lesson} has no variants. Add [variants] to its exercise.toml, as docs/exercises.md explains.")


def _students(course: Course) -> list[str]:
    """Return the students in the gradebook. Raises `CourseError` if there are none, or one can't have a folder."""
    students = course.students()
    if not students:
        raise CourseError("the gradebook has no students. Import them first: nbgrader db student import students.csv")
    for student in students:
        if Path(student).name != student or not student.isprintable():
            raise CourseError(f"the student id {student!r} can't be the name of a folder")
    return students


def _write(
    course: Course, exercise: Exercise, lesson: str, notebook: str, drawn: dict[str, Variant], target: Path
) -> None:
    """Write a folder and an archive for each student."""
    points = course.points(lesson)
    released: dict[str, dict[str, bytes]] = {}
    for student, variant in drawn.items():
        name = tag(variant)
        if name not in released:
            released[name] = _release(exercise, variant, notebook, points)
        place = target / student
        place.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target / f"{student}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file, data in released[name].items():
                (place / file).write_bytes(data)
                archive.writestr(zipfile.ZipInfo(f"{lesson}/{file}", SAME_TIME), data)


def _release(exercise: Exercise, variant: Variant, notebook: str, points: dict[str, float]) -> dict[str, bytes]:
    """Return the files that a student with this variant gets, made as nbgrader makes ``release/``."""
    with tempfile.TemporaryDirectory(prefix="course-variant-") as scratch:
        root = Path(scratch)
        build.write_source(exercise.folder, root / "source", variant=variant)
        build.generate(root, exercise.lesson)
        files = {file.name: file for file in sorted((root / "release" / exercise.lesson).iterdir()) if file.is_file()}
        made = nbformat.read(files.pop(f"exercise_{exercise.lesson}.ipynb"), as_version=4)
        for cell in made.cells:
            about = cell.metadata.get("nbgrader", {})
            if "points" in about:
                about["points"] = points.get(about["grade_id"], about["points"])
        return {f"{notebook}.ipynb": build.as_bytes(made)} | {name: file.read_bytes() for name, file in files.items()}


def _withhold(course: Course, lesson: str, notebook: str) -> None:
    """Replace the notebook in ``release/`` by a note: who fetched it might work on a variant that no student has."""
    place = Path(course.paths.format_path(course.paths.release_directory, ".", lesson))
    if place.is_dir():
        for name in (f"{notebook}.ipynb", "exercise.toml"):
            (place / name).unlink(missing_ok=True)
        (place / NOTE).write_text(NOTE_TEXT, encoding="utf-8")
