"""``./course class report --diagnoses``: what a class didn't understand, without any names.

For each endpoint: how many students passed, after how many different answers, and which diagnoses they met on the way.
"""

from __future__ import annotations

import base64
import html
import io
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import paths
from autograder.classroom.lessons import lesson_of
from autograder.classroom.nbgrader.gradebook import Course
from autograder.judge.spec.exercise import load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_VERDICT, NOT_JUDGED = "no verdict", "not judged"
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>What the class met</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }} img {{ max-width: 100%; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .2em 1em .2em 0; text-align: left; border-bottom: 1px solid #ccc; }}
</style></head><body>
<h1>What the class met</h1>
<p>A try is an answer that was graded and differs from the ones before it. A diagnosis is counted once for each try.</p>
{body}
</body></html>
"""


@dataclass
class Diagnosis:
    """One kind of diagnosis: how many ``students`` met it, and in how many ``tries`` of all."""

    kind: str
    students: int
    tries: int


@dataclass
class Endpoint:
    """The statistics of one endpoint. ``tries_to_pass`` maps a number of tries to how many students passed with that try."""

    lesson: str
    endpoint: str
    students: int = 0
    passed: int = 0
    tries: int = 0
    tries_to_pass: dict[int, int] = field(default_factory=dict)
    diagnoses: list[Diagnosis] = field(default_factory=list)


def collect(course: Course, lessons: Iterable[str]) -> list[Endpoint]:
    """Return the endpoints of these lessons, or of all, from the tries that ``class grade`` noted.

    Raises `CourseError` for a lesson that isn't in the gradebook, and `sqlite3.OperationalError` while a run is writing.
    """
    found = []
    for assignment in course.chosen(list(lessons)):
        books = course.items(assignment)
        source = course.source(assignment)
        ours = [lesson_of(ids, assignment, name, source) for name, ids in books.items()]
        tries = read_tries(course.folder / ".grading" / "verdicts.sqlite3", assignment)
        for lesson in filter(None, ours):
            for task in load(paths.exercise(lesson)).tasks:
                found.append(summary(assignment, task.id, {task.item(part) for part in task.parts}, tries))
    return found


def read_tries(file: Path, lesson: str) -> dict[str, list[list[dict[str, Any]]]]:
    """Return the graded items of each try, oldest first, by student."""
    if not file.is_file():
        return {}
    base = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1)
    found: dict[str, list[list[dict[str, Any]]]] = {}
    try:
        query = "SELECT student, items FROM tries WHERE lesson = ? ORDER BY number"
        for student, items in base.execute(query, [lesson]):
            found.setdefault(student, []).append(json.loads(items))
    except sqlite3.OperationalError as problem:
        if "no such table" not in str(problem):
            raise
    finally:
        base.close()
    return found


def summary(lesson: str, endpoint: str, ids: set[str], tries: dict[str, list[list[dict[str, Any]]]]) -> Endpoint:
    """Return the statistics of one endpoint, whose graded items have these ids."""
    result = Endpoint(lesson, endpoint)
    students: Counter[str] = Counter()
    times: Counter[str] = Counter()
    passed: Counter[int] = Counter()
    for own in tries.values():
        outcomes = [outcome for items in own if (outcome := [item for item in items if item["id"] in ids])]
        if not outcomes:
            continue
        result.students += 1
        result.tries += len(outcomes)
        met = [{_kind(item) for item in outcome if item["outcome"] != "pass"} for outcome in outcomes]
        first = next((number for number, kinds in enumerate(met, 1) if not kinds), None)
        if first:
            passed[first] += 1
        students.update(set().union(*met))
        times.update(kind for kinds in met for kind in kinds)
    result.passed = passed.total()
    result.tries_to_pass = dict(sorted(passed.items()))
    order = sorted(students, key=lambda kind: (-students[kind], kind))
    result.diagnoses = [Diagnosis(kind, students[kind], times[kind]) for kind in order]
    return result


def _kind(item: dict[str, Any]) -> str:
    """Return the kind of an item's diagnosis, or why it has none."""
    return item["kind"] or (NO_VERDICT if item["outcome"] == "error" else NOT_JUDGED)


def as_text(endpoints: list[Endpoint]) -> str:
    """Return the report for people."""
    lines = []
    for lesson in dict.fromkeys(one.lesson for one in endpoints):
        lines.append(lesson)
        for one in endpoints:
            if one.lesson == lesson:
                lines.append(f"  {one.endpoint}: {_said(one)}")
                lines += [
                    f"      {d.kind}: {_count(d.students, 'student')}, {_count(d.tries, 'try', 'tries')}"
                    for d in one.diagnoses
                ]
    return "\n".join(lines) + "\n"


def as_json(endpoints: list[Endpoint]) -> str:
    """Return the report as a JSON object."""
    return json.dumps({"endpoints": [asdict(one) for one in endpoints]}, indent=2) + "\n"


def as_html(endpoints: list[Endpoint]) -> str:
    """Return the report as one page that needs no other file."""
    parts = []
    for one in endpoints:
        parts.append(
            f"<h2>{html.escape(one.lesson)}: {html.escape(one.endpoint)}</h2>\n<p>{html.escape(_said(one))}</p>"
        )
        if one.students:
            data = base64.b64encode(_png(_figure(one))).decode()
            alt = "Two bar charts with the numbers of the table below and of the sentence above."
            parts.append(f'<p><img alt="{alt}" src="data:image/png;base64,{data}"></p>')
        if one.diagnoses:
            rows = "".join(
                f"<tr><td>{html.escape(d.kind)}</td><td>{d.students}</td><td>{d.tries}</td></tr>" for d in one.diagnoses
            )
            parts.append(f"<table><tr><th>diagnosis</th><th>students</th><th>tries</th></tr>{rows}</table>")
    return PAGE.format(body="\n".join(parts))


def _said(one: Endpoint) -> str:
    """Return the numbers of an endpoint in a sentence."""
    if not one.students:
        return "nothing is graded yet."
    text = f"{one.passed} of {_count(one.students, 'student')} passed"
    counts = [f"{students} with try {number}" for number, students in one.tries_to_pass.items()]
    return f"{text} ({', '.join(counts)})." if counts else f"{text}."


def _count(number: int, one: str, more: str = "") -> str:
    """Return a number with its noun."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def _figure(one: Endpoint) -> Figure:
    """Return the plots of an endpoint: students by diagnosis, and students by the try with which they passed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.4 + 0.3 * max(len(one.diagnoses), 3)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    kinds = [d.kind for d in one.diagnoses]
    left.barh(kinds, [d.students for d in one.diagnoses], color="#c8452d")
    left.invert_yaxis()
    left.set_title("students who met a diagnosis", loc="left", fontsize=10)
    passed = {str(number): students for number, students in one.tries_to_pass.items()}
    passed["not yet"] = one.students - one.passed
    right.bar(list(passed), list(passed.values()), color="#3d8b3d", tick_label=list(passed))
    right.set_title("passed with try", loc="left", fontsize=10)
    for axis in (left.xaxis, right.yaxis):
        axis.get_major_locator().set_params(integer=True)
    return figure


def _png(figure: Figure) -> bytes:
    """Return a figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


FORMS: dict[str, Callable[[list[Endpoint]], str]] = {"text": as_text, "json": as_json, "html": as_html}
