"""MySQL: its answers get the verdicts that they must get, and the lesson goes on where there is no such server."""

import shutil
from pathlib import Path

import jupytext
import nbformat
import pytest
from helpers import assert_quiet, printed, run_notebook
from selection import ONE_IN, chosen

from autograder import paths
from autograder.judge.catalogue.catalogue import catalogue, judge
from autograder.judge.spec.exercise import load

ANSWERS = catalogue(load(Path(__file__).with_name("mysql_answers")))


def label(answer):
    return answer.label


WITHOUT = """
import os
from autograder.services import mysql
os.environ["PATH"] = os.path.dirname(__import__("sys").executable)
os.environ.pop("COURSE_MYSQL_URL", None)
mysql.PLACES = ()
"""


@pytest.mark.mysql
@pytest.mark.parametrize("answer", chosen(ANSWERS, label, min(ONE_IN, 4)), ids=label)
async def test_verdict(answer):
    judged = await judge(answer)
    if judged.undecided:
        judged = await judge(answer)
    assert not judged.complaint
    if judged.concurrency.kind == "blocked":
        assert judged.concurrency.line


def test_there_are_enough_answers():
    kinds = [answer.kind for answer in ANSWERS]
    assert kinds.count("accepted") >= 5 and kinds.count("wrong") >= 8


@pytest.mark.heavy
def test_lesson_runs_without_mysql(tmp_path):
    """The section on MySQL after what it is built on, and the one behind it, which must not need MySQL either."""
    notebook = jupytext.read(paths.SOLUTIONS / "03_databases" / "lesson.py")
    prepared, section, behind, rest = (
        next(i for i, cell in enumerate(notebook.cells) if heading in cell.source)
        for heading in (
            "## A slow query makes a slow app",
            "For MySQL and its sister MariaDB",
            "## Deeper: SQLite locks up the loop",
            "## What you have seen",
        )
    )
    assert section < behind < rest
    without = nbformat.v4.new_code_cell(WITHOUT)
    notebook.cells = [without, *notebook.cells[:prepared], *notebook.cells[section:rest]]
    ran, _ = run_notebook(notebook, tmp_path)
    assert_quiet(ran)
    said = "".join(printed(cell) for cell in ran.cells if cell.cell_type == "code")
    assert said.count("There is no MySQL or MariaDB on this machine.") == 1
    assert "No MySQL, no race." in said


@pytest.mark.heavy
def test_exercise_runs_without_mysql(tmp_path):
    """The optional part of the exercise says that there is no MySQL, and goes on."""
    source = paths.NOTEBOOKS / "03_databases"
    shutil.copy(source / "exercise.toml", tmp_path)
    notebook = nbformat.read(source / "exercise_03_databases.ipynb", as_version=4)
    start = next(i for i, cell in enumerate(notebook.cells) if cell.source.startswith("## To try"))
    end = next(i for i, cell in enumerate(notebook.cells) if cell.source.startswith("## Take it home"))
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    notebook.cells = [nbformat.v4.new_code_cell(WITHOUT), first, *notebook.cells[start:end]]
    ran, _ = run_notebook(notebook, tmp_path)
    assert_quiet(ran)
    assert "There is no MySQL or MariaDB on this machine." in "".join(
        printed(cell) for cell in ran.cells if cell.cell_type == "code"
    )
