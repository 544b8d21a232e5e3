"""The only writer of nbgrader's gradebook and of its folder ``autograded``: nbgrader's own converter, with given verdicts."""

from __future__ import annotations

import functools
import glob
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy
from jsonschema import exceptions, validators
from nbconvert.exporters import NotebookExporter
from nbconvert.writers import FilesWriter
from nbgrader import api
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, autograde
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.nbgraderformat import common
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    DeduplicateIds,
    SaveAutoGrades,
    latesubmissions,
    overwritecells,
    overwritekernelspec,
    saveautogrades,
)
from traitlets import default
from traitlets.config import Config, PyFileConfigLoader

from autograder.classroom import draw
from autograder.classroom.nbgrader import config
from autograder.classroom.nbgrader.preprocessors import JudgePreprocessor
from autograder.errors import UserFacingError
from autograder.judge.spec.variants import Variant

# nbgrader's steps that change no cell, or only nbgrader's metadata in it
LEAVE_CELLS = (DeduplicateIds, CheckCellMetadata, SaveAutoGrades, AssignLatePenalties)


@functools.cache
def one_engine(url: str) -> sqlalchemy.Engine:
    """Return a shared engine. nbgrader would create one for each step, and compile every query again."""
    return sqlalchemy.create_engine(url)


def validate(metadata: dict[str, Any], schema: dict[str, Any]) -> None:
    """Validate like `jsonschema.validate`, which would also check nbgrader's own schema for each cell."""
    error = exceptions.best_match(validators.validator_for(schema)(schema).iter_errors(metadata))
    if error:
        raise error


class KeptGradebook(Gradebook):
    """A gradebook that stays open. nbgrader opens it for each step, and queries all tables and the course each time.

    Its session still ends with the step: uncommitted changes are rolled back, and no step sees data that another has read.
    """

    def close(self) -> None:
        self.db.remove()


def keep_gradebook_open(*modules: Any) -> None:
    """Have these modules of nbgrader use one open gradebook for the whole process, instead of opening it for each step."""
    api.create_engine = lambda url, **_: one_engine(url)
    warnings.filterwarnings("ignore", category=sqlalchemy.exc.SAWarning)  # about nbgrader's own queries
    kept = functools.cache(KeptGradebook)  # the converter passes the course's name, its steps don't: at most two
    for module in modules:
        module.Gradebook = kept


class FewerChecks(NotebookExporter):
    """Skips validation, which nbconvert does after each step, after steps that are disabled or change no cells."""

    def _validate_preprocessor(self, notebook: Any, step: Any) -> None:
        if getattr(step, "enabled", True) and not isinstance(step, LEAVE_CELLS):
            super()._validate_preprocessor(notebook, step)


class CourseError(UserFacingError):
    """A folder can't be used as an nbgrader course; the message says why."""


def named_judge(step: Any) -> bool:
    """Return True for the class `JudgePreprocessor`, a subclass or its name, as they may be in a configuration."""
    if isinstance(step, str):
        return step.rpartition(".")[2] == JudgePreprocessor.__name__
    return isinstance(step, type) and issubclass(step, JudgePreprocessor)


class Course:
    """A teacher's course folder."""

    def __init__(self, folder: Path | str, isolation: str = "none") -> None:
        self.folder = Path(folder).resolve()
        if not (self.folder / "nbgrader_config.py").is_file():
            raise CourseError(f"{folder} is no nbgrader course: it has no nbgrader_config.py. Make one with: class new")
        # nbgrader runs alembic from PATH
        os.environ["PATH"] = str(Path(sys.prefix, "bin")) + os.pathsep + os.environ.get("PATH", "")
        if glob.has_magic(str(self.folder)):
            raise CourseError(f"nbgrader finds nothing in {self.folder}: give the folder a name without [ ] * and ?.")
        self.config = self._configured()
        if isolation != "none":
            self.config.JudgePreprocessor.isolation = isolation
        self.isolation = self.config.JudgePreprocessor.get("isolation", "none")
        self.config.CourseDirectory.root = str(self.folder)
        self.paths = CourseDirectory(config=self.config)

    def _configured(self) -> Config:
        """Return the teacher's configuration, completed. Raises `CourseError` if it can't be used."""
        try:
            settings = PyFileConfigLoader("nbgrader_config.py", path=str(self.folder)).load_config()
        except Exception as problem:  # it's a program, so it can raise anything
            raise CourseError(f"nbgrader_config.py does not run: {type(problem).__name__}: {problem}") from None
        if "autograde_preprocessors" not in settings.Autograde:
            config.apply(settings)
        elif not any(named_judge(step) for step in settings.Autograde.autograde_preprocessors):
            raise CourseError(
                "nbgrader_config.py lists autograde_preprocessors without JudgePreprocessor: answers would run in nbgrader's "
                "own kernel, and nothing would judge them. Leave the list out, or start it with config.apply(c)."
            )
        return settings

    def lessons(self) -> list[str]:
        """Return the assignments that have been generated, whose cells are in the gradebook."""
        with Gradebook(self.paths.db_url, self.paths.course_id) as book:
            return sorted(assignment.name for assignment in book.assignments)

    def items(self, lesson: str) -> dict[str, set[str]]:
        """Return {notebook: ids of its graded code cells} of an assignment, from the gradebook."""
        with Gradebook(self.paths.db_url, self.paths.course_id) as book:
            notebooks = book.find_assignment(lesson).notebooks
            return {n.name: {cell.name for cell in n.grade_cells if cell.cell_type == "code"} for n in notebooks}

    def points(self, lesson: str) -> dict[str, float]:
        """Return the points of each graded cell of an assignment, as the gradebook has them."""
        with Gradebook(self.paths.db_url, self.paths.course_id) as book:
            return {cell.name: cell.max_score for n in book.find_assignment(lesson).notebooks for cell in n.grade_cells}

    def waiting(self, lesson: str) -> dict[str, list[str]]:
        """Return the cells of each student that wait for manual grading."""
        with Gradebook(self.paths.db_url, self.paths.course_id) as book:
            found: dict[str, list[str]] = {}
            for submission in book.find_assignment(lesson).submissions:
                if submission.needs_manual_grade:
                    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
                    found[submission.student.id] = [grade.name for grade in grades if grade.needs_manual_grade]
            return found

    def source(self, assignment: str) -> Path:
        """Return the folder of an assignment in ``source/``."""
        return Path(self.paths.format_path(self.paths.source_directory, ".", assignment))

    def feedback(self, lesson: str, student: str) -> Path:
        """Return the folder of a student's feedback pages for a lesson."""
        return Path(self.paths.format_path(self.paths.feedback_directory, student, lesson))

    def autograded(self, lesson: str, student: str) -> Path:
        """Return nbgrader's folder of a graded submission."""
        return Path(self.paths.format_path(self.paths.autograded_directory, student, lesson))

    def submitted(self, lesson: str, student: str) -> Path:
        """Return the folder of a submission as it was handed in."""
        return Path(self.paths.format_path(self.paths.submitted_directory, student, lesson))

    def chosen(self, lessons: Iterable[str]) -> list[str]:
        """Return the lessons that were named, or all. Raises `CourseError` for one that the gradebook doesn't have."""
        known = self.lessons()
        for lesson in lessons:
            if lesson not in known:
                raise CourseError(
                    f"There is no lesson {lesson!r} in the gradebook. It has: {', '.join(known) or 'none'}."
                )
        return list(lessons) or known

    def handed_in(self, lesson: str) -> dict[str, Path]:
        """Return {student: folder} of all submissions of a lesson."""
        found = sorted(glob.glob(self._inbox(lesson)))  # noqa: PTH207 -- nbgrader's own pattern, with its own escapes
        return {Path(path).parent.name: Path(path) for path in found if Path(path).is_dir()}

    def inbox(self) -> str:
        """The folder pattern in which submissions are expected, for messages."""
        return self._inbox("LESSON").replace("*", "STUDENT")

    def _inbox(self, lesson: str) -> str:
        return self.paths.format_path(self.paths.submitted_directory, "*", lesson)

    def variants(self, exercise: str, students: Iterable[str]) -> dict[str, Variant | None]:
        """Return the variant of an exercise that each student was given; None if there are no variants, or no seed."""
        return {student: draw.of_student(self.folder, exercise, student) for student in students}

    def students(self) -> list[str]:
        """Return the ids of the students in the gradebook."""
        with Gradebook(self.paths.db_url, self.paths.course_id) as book:
            return sorted(student.id for student in book.students)

    def needs_a_person(self, lesson: str, student: str) -> bool:
        """Return True if the gradebook has an item of this student that hasn't been scored yet."""
        with Gradebook(self.paths.db_url, self.paths.course_id) as book:
            try:
                return book.find_submission(lesson, student).needs_manual_grade
            except MissingEntry:
                return True

    def is_written(self, lesson: str, student: str) -> bool:
        """Return True if nbgrader's folder of graded submissions has this one, and it isn't older than the submission."""
        graded = self.paths.format_path(self.paths.autograded_directory, student, lesson)
        handed = self.paths.format_path(self.paths.submitted_directory, student, lesson)
        if not any(Path(graded).glob("*.ipynb")):
            return False
        return self.paths.get_existing_timestamp(graded) == self.paths.get_existing_timestamp(handed)


class Writer(Autograde):
    """nbgrader's autograde for one student at a time, with given verdicts."""

    @default("exporter_class")
    def _fewer_checks(self) -> type[NotebookExporter]:
        return FewerChecks

    @classmethod
    def of(cls, course: Course, lesson: str, verdicts: Callable[[Path, str], dict[str, Any] | None]) -> Writer:
        """Return the writer of a lesson; ``verdicts(file, lesson)`` returns the result for a submitted file."""
        common.jsonschema = SimpleNamespace(validate=validate)
        keep_gradebook_open(autograde, latesubmissions, overwritecells, overwritekernelspec, saveautogrades)
        config = Config(course.config)
        # a plain function, because traitlets copies the values of a config, and with a method its whole object
        config.JudgePreprocessor.verdicts = lambda file, ours: verdicts(file, ours)
        config.CourseDirectory.assignment_id = lesson
        config.Autograde.force = True
        writer = cls(coursedir=CourseDirectory(config=config), config=config)
        writer.log = logging.getLogger("autograder.nbgrader")
        writer.writer = FilesWriter(parent=writer, config=writer.config)
        writer.exporter = writer.exporter_class(parent=writer, config=writer.config)
        return writer

    def write(self, student: str) -> None:
        """Grade one student. Raises `NbGraderException` if nbgrader can't read the submission, and `sqlite3.OperationalError`
        if the gradebook can't be written.
        """
        self._sanitizing = True  # a submission that failed leaves it False
        self.coursedir.student_id = glob.escape(student)
        try:
            self.init_notebooks()
            self.convert_notebooks()
        except NbGraderException as error:
            cause = error.__context__
            if isinstance(cause, sqlalchemy.exc.OperationalError) and cause.orig is not None:
                raise cause.orig from None  # not due to the submission
            raise
        finally:
            # no connection outlives a submission: the gradebook's file may be moved, or restored from a copy
            one_engine(self.coursedir.db_url).dispose()


__all__ = ["Course", "CourseError", "NbGraderException", "Writer"]
