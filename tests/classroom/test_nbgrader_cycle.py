"""The whole cycle with nbgrader's own commands, from the course's sources to a student's points."""

import csv
import json

import nbformat
import pytest
from helpers import nbgrader

from autograder import paths
from autograder.classroom import grade, new_course
from autograder.judge.spec.exercise import load
from autograder.sandbox import levels

LESSON = "01_sleeping"
EXERCISE = load(paths.SOLUTIONS / LESSON)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cycle") / "tea101"
    assert new_course.main(str(folder)) == 0
    with open(folder / "nbgrader_config.py", "a") as config:
        config.write(f"c.Exchange.root = {str(folder.parent / 'exchange')!r}\n")
    (folder.parent / "exchange").mkdir()
    (folder.parent / "exchange").chmod(0o777)
    return folder


def test_stock_nbgrader_cycle_gives_points(course):
    """nbgrader's own commands take a lesson from its sources to release, submission and points."""
    nbgrader(course, "generate_assignment", LESSON)
    released = course / "release" / LESSON
    assert {f.name for f in released.iterdir()} == {f"exercise_{LESSON}.ipynb", "exercise.toml"}
    ours = nbformat.read(paths.NOTEBOOKS / LESSON / f"exercise_{LESSON}.ipynb", 4)
    theirs = nbformat.read(released / f"exercise_{LESSON}.ipynb", 4)
    assert [cell.source for cell in theirs.cells] == [cell.source for cell in ours.cells]
    nbgrader(course, "release_assignment", LESSON)

    student = course.parent / "student"
    student.mkdir()
    (student / "nbgrader_config.py").write_text((course / "nbgrader_config.py").read_text())
    nbgrader(student, "fetch_assignment", LESSON, "--course", course.name)
    file = student / LESSON / f"exercise_{LESSON}.ipynb"
    notebook = nbformat.read(file, 4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "report":
            cell.source = (
                "%%app report.py\n" + EXERCISE.answer_file(EXERCISE.endpoint("report"), "reference").read_text()
            )
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "order":
            cell.source = "%%app order.py\nx = 1"
    nbformat.write(notebook, file)
    nbgrader(student, "submit", LESSON, "--course", course.name)

    nbgrader(course, "collect", LESSON)
    nbgrader(course, "autograde", LESSON)
    nbgrader(course, "generate_feedback", LESSON)
    nbgrader(course, "export", "--to", "grades.csv")

    with open(course / "grades.csv") as table:
        row = next(csv.DictReader(table))
    # report repaired: 3 of 3; price untouched: right answers only; order does not even start
    assert (float(row["raw_score"]), float(row["max_score"])) == (4, 9)

    (autograded,) = (course / "autograded").glob(f"*/{LESSON}/*.ipynb")
    said = {
        cell.metadata.nbgrader.grade_id: json.dumps(cell.outputs).replace("\\n", " ")
        for cell in nbformat.read(autograded, 4).cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    }
    assert "Passed." in said["report_concurrency"]
    assert nbformat.read(autograded, 4).metadata.graded.isolation == levels.at_least().level
    assert "`time.sleep(seconds)` in line" in said["price_concurrency"]
    assert "app = FastAPI()" in said["order_answers"]
    (feedback,) = (course / "feedback").glob(f"*/{LESSON}/*.html")
    page = feedback.read_text()
    assert "`time.sleep(seconds)` in line" in " ".join(page.split())
    assert "HIDDEN TESTS" not in page and "exercise.concurrency" not in page.replace("<span", "")
    assert "HIDDEN TESTS" in autograded.read_text(), "they are there, for the teacher"


def test_grade_command_agrees_with_nbgrader(course, capsys):
    """The grade command gives the same points as nbgrader's autograding."""
    file = course.parent / "student" / LESSON / f"exercise_{LESSON}.ipynb"
    assert grade.main([str(file)], as_json=True) == 1
    (result,) = json.loads(capsys.readouterr().out)["submissions"]
    assert (result["points"], result["max_points"]) == (4, 9)
    (autograded,) = (course / "autograded").glob(f"*/{LESSON}/*.ipynb")
    failed = {
        cell.metadata.nbgrader.grade_id
        for cell in nbformat.read(autograded, 4).cells
        if any(output.output_type == "error" for output in cell.get("outputs", []))
    }
    assert failed == {item["id"] for item in result["items"] if item["outcome"] != "pass"}


def test_existing_folder_is_not_overwritten(course, capsys):
    """A new course is never written over an existing folder."""
    before = sorted(course.rglob("*"))
    assert new_course.main(str(course)) == 2
    assert "nothing was changed" in capsys.readouterr().out
    assert sorted(course.rglob("*")) == before
