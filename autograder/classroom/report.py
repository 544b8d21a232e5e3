"""``./course class report``: where each student of a class stands, for people, for scripts, and for an LMS."""

import csv
import io
import json
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry

from autograder.classroom import diagnoses_report, intake
from autograder.classroom import handed_in as inspection
from autograder.classroom.lessons import LessonMismatch, lesson_of
from autograder.classroom.nbgrader.export import is_settled
from autograder.classroom.nbgrader.gradebook import Course, CourseError
from autograder.classroom.printable import one_line

GRADED, WAITS, NEEDS_A_PERSON, UNGRADED, NOTHING = (
    "graded", "waits for manual grading", "needs a person", "not graded yet", "nothing handed in",
)  # fmt: skip

# where a formula may begin, with the signs in full width that some spreadsheets take as well
FORMULA = re.compile(r"((?:^|[;\t\r\n])[\s\"']*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


@dataclass
class Row:
    """One student and one lesson. ``points`` are those after a late penalty, and None until they're settled.

    ``late`` is in seconds. ``outcomes`` maps graded cells to pass, part, fail or "no verdict".
    """

    lesson: str
    student: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_id: str = ""
    state: str = NOTHING
    why: str = ""
    points: float | None = None
    max_points: float = 0.0
    late: float = 0.0
    extra_files: list[str] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)


def main(folder: str, lessons: list[str] | tuple[str, ...] = (), form: str = "text", diagnoses: bool = False) -> int:
    """Print the report in a form of `FORMS`, or with ``diagnoses`` of `diagnoses_report.FORMS`.

    Returns 0, or 2 for a folder, a lesson or a form that can't be used.
    """
    forms: dict[str, Any] = diagnoses_report.FORMS if diagnoses else FORMS
    if form not in forms:
        other = "" if diagnoses else " without --diagnoses"
        print(f"There is no --{form} of this report{other}. The forms are: {', '.join(forms)}.", file=sys.stderr)
        return 2
    try:
        course = Course(folder)
        rows: list[Any] = (diagnoses_report.collect if diagnoses else collect)(course, list(lessons))
    except (CourseError, LessonMismatch) as problem:
        print(problem, file=sys.stderr)
        return 2
    except sqlite3.OperationalError as problem:
        print(f"Another run is grading this class: {problem}. Try again when it's done.", file=sys.stderr)
        return 2
    print(forms[form](rows), end="")
    return 0


def collect(course: Course, lessons: list[str]) -> list[Row]:
    """Return the rows of all students who are in the gradebook or handed something in, by lesson and student."""
    rows: list[Row] = []
    for lesson in course.chosen(lessons):
        rows += _rows_of(course, lesson)
    return rows


def _rows_of(course: Course, lesson: str) -> Iterator[Row]:
    """Yield the rows of one lesson."""
    handed_in = course.handed_in(lesson)
    people = _people(course, lesson)
    items = course.items(lesson)
    source = course.source(lesson)
    ours = {name: lesson_of(ids, lesson, name, source) for name, ids in items.items()}
    draws = {name: course.variants(belongs_to, handed_in) for name, belongs_to in ours.items() if belongs_to}
    with Gradebook(course.paths.db_url, course.paths.course_id) as book:
        assignment = book.find_assignment(lesson)
        students = {student.id: student for student in book.students}
        for name in sorted({*students, *handed_in}):
            row = Row(lesson, name, max_points=assignment.max_score)
            if student := students.get(name):
                row.first_name, row.last_name = student.first_name or "", student.last_name or ""
                row.email, row.lms_id = student.email or "", str(getattr(student, "lms_user_id", None) or "")
            try:
                submission = book.find_submission(lesson, name)
            except MissingEntry:
                row.state = UNGRADED if name in handed_in else NOTHING
            else:
                _fill(row, submission, course, people.get(name, ""))
            if name in handed_in and (refused := inspection.problem(handed_in[name])):
                row.state, row.why = NEEDS_A_PERSON, one_line(refused)  # as grading says: nothing in it is read
            elif name in handed_in:
                for notebook, belongs_to in ours.items():
                    if belongs_to:
                        found = intake.examine(handed_in[name], notebook, belongs_to, draws[notebook][name])
                        row.extra_files += map(one_line, found.remarks)
            row.student = ascii(name)[1:-1] if inspection.wrong_name(name) else name
            yield row


def _fill(row: Row, submission: Any, course: Course, why: str) -> None:
    """Put what the gradebook says about a submission into a row; ``why`` is the last run's reason for a person to look."""
    row.late = submission.total_seconds_late
    autograded = Path(course.paths.format_path(course.paths.autograded_directory, row.student, row.lesson))
    if any(autograded.glob("*.ipynb")):
        for notebook in submission.notebooks:
            row.outcomes |= {grade.name: _outcome(grade) for grade in notebook.grades}
    if is_settled(submission, autograded):
        row.points = max(0.0, submission.score - (submission.late_submission_penalty or 0.0))
    current = course.is_written(row.lesson, row.student)
    if why:
        row.state, row.why = NEEDS_A_PERSON, one_line(why)  # an earlier version may have noted it
    elif not current:
        row.state = UNGRADED
    elif submission.needs_manual_grade:
        row.state = WAITS
        row.why = ", ".join(name for name, outcome in row.outcomes.items() if outcome == "no verdict")
    else:
        row.state = GRADED


def _outcome(grade: Any) -> str:
    """Return the outcome of one graded cell in a word."""
    if grade.auto_score is None and grade.manual_score is None:
        return "no verdict"
    if grade.score >= grade.max_score:
        return "pass"
    return "part" if grade.score > 0 else "fail"


def _people(course: Course, lesson: str) -> dict[str, str]:
    """Return why a person must look at a student's submission, by student, as the last run of ``class grade`` noted it."""
    file = course.folder / ".grading" / "verdicts.sqlite3"
    if not file.is_file():
        return {}
    base = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1)
    try:
        return dict(base.execute("SELECT student, why FROM people WHERE lesson = ?", [lesson]))
    except sqlite3.OperationalError as problem:
        if "no such table" in str(problem):
            return {}
        raise
    finally:
        base.close()


def as_text(rows: list[Row]) -> str:
    """Return the report for people: a line for each student, and under it what there is to say."""
    lines = []
    width = max((len(row.student) for row in rows), default=0)
    for lesson in dict.fromkeys(row.lesson for row in rows):
        lines.append(lesson)
        for row in rows:
            if row.lesson != lesson:
                continue
            points = "" if row.points is None else f", {row.points:g} of {row.max_points:g} points"
            late = f", {_duration(row.late)} late" if row.late else ""
            lines.append(f"  {row.student:<{width}}  {row.state}{points}{late}")
            lines += [f"      {line}" for line in (row.why, *row.extra_files) if line]
            if missed := [name for name, outcome in row.outcomes.items() if outcome != "pass"]:
                lines.append("      not passed: " + ", ".join(f"{name} ({row.outcomes[name]})" for name in missed))
    return "\n".join(lines) + "\n"


def _duration(seconds: float) -> str:
    """Return a time in its two largest units, as in "1 d 10 h"."""
    minutes = int(seconds) // 60
    parts = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or f"{int(seconds)} s"


def as_json(rows: list[Row]) -> str:
    """Return the report as a JSON object."""
    return json.dumps({"students": [asdict(row) for row in rows]}, indent=2) + "\n"


def as_csv(rows: list[Row]) -> str:
    """Return the report as a table with a line for each student and lesson."""
    names = ["lesson", "student", "last_name", "first_name", "email", "state", "why", "points", "max_points",
             "seconds_late", "extra_files", "outcomes"]  # fmt: skip
    table = [names]
    for row in rows:
        outcomes = "; ".join(f"{name}: {outcome}" for name, outcome in row.outcomes.items())
        table.append(
            [row.lesson, row.student, row.last_name, row.first_name, row.email, row.state, row.why, _number(row.points),
             _number(row.max_points), _number(row.late), " ".join(row.extra_files), outcomes]
        )  # fmt: skip
    return _table(table)


def as_canvas(rows: list[Row]) -> str:
    """Return a file for Canvas's gradebook import.

    Checked against what Canvas itself reads (lib/gradebook_importer.rb in https://github.com/instructure/canvas-lms). The
    first columns are Student, ID, SIS User ID, SIS Login ID and Section, in this order. Each further column is an
    assignment: the one with exactly this title, and Canvas offers to create it if there's none. A line with "Points
    Possible" in its first cell has the points. Canvas finds a student by ID, then by SIS User ID, SIS Login ID, and the
    name. A blank cell removes a score that is there already, after Canvas has shown the change.
    """
    lessons = list(dict.fromkeys(row.lesson for row in rows))
    worth = {row.lesson: row.max_points for row in rows}
    table = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *lessons]]
    table.append(["    Points Possible", "", "", "", "", *(_number(worth[lesson]) for lesson in lessons)])
    for first, points in _by_student(rows):
        name = f"{first.last_name}, {first.first_name}" if first.last_name and first.first_name else first.student
        table.append([name, first.lms_id, "", first.student, "", *(_number(points.get(lesson)) for lesson in lessons)])
    return _table(table)


def as_moodle(rows: list[Row]) -> str:
    """Return a file for Moodle's grade import (Grades, Import, CSV file): https://docs.moodle.org/en/Grade_import

    There, "Map from" names the column that identifies the user, and "Map to" is username or useremail (the case of
    letters counts, says that page); each lesson's column is mapped to a grade item. Moodle's reader of the file
    (grade/import/csv/classes/load_data.php in https://github.com/moodle/moodle) refuses the whole file for one unknown
    user, and takes a blank cell for "no grade": it removes one that is there already.
    """
    lessons = list(dict.fromkeys(row.lesson for row in rows))
    table = [["username", "firstname", "lastname", "email", *lessons]]
    for first, points in _by_student(rows):
        table.append(
            [first.student, first.first_name, first.last_name, first.email, *(_number(points.get(n)) for n in lessons)]
        )
    return _table(table)


def _by_student(rows: list[Row]) -> Iterator[tuple[Row, dict[str, float | None]]]:
    """Yield a row of each student, and the points by lesson; nothing handed in is 0, and what isn't settled is None."""
    for student in dict.fromkeys(row.student for row in rows):
        own = [row for row in rows if row.student == student]
        yield own[0], {row.lesson: 0.0 if row.state == NOTHING else row.points for row in own}


def _number(value: float | None) -> str:
    """Return a number without needless zeros, or "" for None."""
    return "" if value is None else f"{value:.10g}"


def _table(table: list[list[str]]) -> str:
    """Return lines of CSV. A cell that a spreadsheet would run as a formula gets an apostrophe in front of its sign.

    Many spreadsheets split a line at semicolons or tabs, so each part of a cell counts.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in table:
        writer.writerow([FORMULA.sub(r"\1'", cell) for cell in line])
    return text.getvalue()


FORMS: dict[str, Callable[[list[Row]], str]] = {
    "text": as_text, "csv": as_csv, "json": as_json, "canvas": as_canvas, "moodle": as_moodle,
}  # fmt: skip
