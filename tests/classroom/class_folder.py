"""A teacher's course folder with one lesson, and how students hand in there: what tests of classes share."""

import nbformat
from nbgrader.api import Gradebook

from autograder import paths
from autograder.judge.spec.exercise import load

LESSON = "05_files"
EXERCISE = load(paths.SOLUTIONS / LESSON)
TASK, *OTHERS = EXERCISE.endpoints
REFERENCE = EXERCISE.answer_file(TASK, "reference").read_text()
STARTER = EXERCISE.answer_file(TASK, "starter").read_text()
# Unless a test says otherwise, the exercise's other apps don't start: a submission takes little, and its points are the first app's.
UNTRIED = {task.cell: f"%%app {task.file}\nraise SystemExit" for task in OTHERS}
UNTOUCHED = {
    task.cell: f"%%app {task.file}\n{EXERCISE.answer_file(task, 'starter').read_text()}".rstrip("\n") for task in OTHERS
}
FULL = sum(sum(task.points.values()) for task in EXERCISE.tasks)
# the result for a file that isn't a notebook
BROKEN_ITEM = {
    "id": "submission",
    "outcome": "error",
    "points": 0,
    "max_points": 0,
    "diagnosis": "Not graded: not JSON.",
}


def hand_in(course, student, text, timestamp=None):
    file = fill_in(course, student, LESSON, {TASK.cell: f"%%app {TASK.file}\n{text}"})
    if timestamp:
        (file.parent / "timestamp.txt").write_text(timestamp)
    return file


def fill_in(course, student, lesson, sources):
    """Submit the released notebook with these sources, by the cell's grade_id."""
    released = course / "release" / lesson / f"exercise_{lesson}.ipynb"
    notebook = nbformat.read(released, 4)
    sources = {**UNTRIED, **sources}
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = sources.get(name, cell.source)
    folder = course / "submitted" / student / lesson
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / released.name)
    return folder / released.name


def scores(course, lesson=LESSON):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        return {s.student.id: s.score for s in book.find_assignment(lesson).submissions}


def of_student(course, student):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        submission = book.find_submission(LESSON, student)
        return submission.score, submission.needs_manual_grade


def verdict(points):
    shares = {task.item(part): (points, task.points[part]) for task in EXERCISE.tasks for part in task.parts}
    items = [
        {
            "id": name,
            "outcome": "pass" if got else "fail",
            "points": most if got else 0,
            "max_points": most,
            "diagnosis": "",
        }
        for name, (got, most) in shares.items()
    ]
    return {"items": items, "isolation": "none"}
