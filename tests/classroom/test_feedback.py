"""Feedback pages: they wrap, they mark the line that a diagnosis names, and nobody is left without one."""

import re

import nbformat
import pytest
from class_folder import LESSON, REFERENCE, STARTER, hand_in, verdict
from helpers import nbgrader

from autograder.classroom import grade_class, worker_pool
from autograder.classroom.nbgrader import feedback

NAME = f"exercise_{LESSON}"
SAID = "open(path).read() in line 14 blocked the event loop for 0.31 s. " + "x" * 300


def test_numbered_code_marks_lines() -> None:
    """Each line has its number, those in a text of several lines too, and the marked one also an arrow."""
    page = feedback.numbered('a = """one\ntwo"""\nb = 1', [2])
    assert re.findall(r'class="line( marked)?" id="L(\d)"', page) == [("", "1"), (" marked", "2"), ("", "3")]
    assert page.count("&#9654;") == 1 and page.count("<span") == page.count("</span>")


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ("time.sleep(1) in line 9 blocked", {9}),
        ("ended in KeyError (line 12: x[1])", {12}),
        ("report.py:7 and other.py:8 block", {7}),
        ("it took 14 s", set()),
    ],
)
def test_named_lines_are_found(said: str, lines: set[int]) -> None:
    """As the judge's diagnoses name them."""
    assert feedback.named_lines(said, "report.py") == lines


def test_announced_pictures_are_left_out() -> None:
    """A page has no cells that draw, and no sentence that announces what they would draw."""
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    answer = code("%%app x.py", metadata={"nbgrader": {"grade_id": "x", "solution": True}})
    cells = [
        markdown("# Exercise"), code("setup()"), markdown("## One\n\nDo it.\n\nThis is the picture to aim for."),
        code('exercise.target("x")'), markdown("This is the file:"), answer, markdown("## Two"), code("measure()"),
    ]  # fmt: skip
    assert [cell.source for cell in feedback.only_results(cells)] == ["# Exercise", "## One\n\nDo it.", "%%app x.py"]


def test_pages_for_everybody(course, canned) -> None:
    """A page with the diagnosis and the marked line; for a broken file one that says why, until it's handed in again."""
    hand_in(course, "ada", STARTER)
    hand_in(course, "bob", REFERENCE).write_text("{")
    failed = verdict(0)
    for item in failed["items"]:
        item["diagnosis"] = SAID
    broken = {
        "id": "submission",
        "outcome": "error",
        "points": 0,
        "max_points": 0,
        "diagnosis": "Not graded: <not> JSON.",
    }
    results = {"ada": failed, "bob": {"items": [broken]}}
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **results[job.id.split("/")[0]]}
    assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
    nbgrader(course, "generate_feedback", LESSON)
    page = (course / "feedback" / "ada" / LESSON / f"{NAME}.html").read_text()
    assert 'class="line marked" id="L14"' in page and "pre-wrap" in page and "x" * 300 in page
    assert "HIDDEN TESTS" not in page and "picture to aim for" not in page and "Score: 0.0 / 3.0" in page
    sorry = course / "feedback" / "bob" / LESSON / f"{NAME}.html"
    assert "&lt;not&gt; JSON" in sorry.read_text() and "isn't graded yet" in sorry.read_text()
    hand_in(course, "bob", REFERENCE)
    results["bob"] = verdict(1)
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    assert not sorry.exists()
    nbgrader(course, "generate_feedback", LESSON)
    assert "Score: 3.0 / 3.0" in sorry.read_text()
