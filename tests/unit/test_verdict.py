"""The whole verdict in a notebook's last cell: what the grade would be, in words, without the tests."""

import nbformat
import pytest
from helpers import assert_quiet, notebook_of, printed, run_notebook

from autograder import paths
from autograder.classroom import notebook_sources
from autograder.judge.spec.exercise import load

LESSON = "01_sleeping"
EXERCISE = load(paths.SOLUTIONS / LESSON)


def saved(folder, **kinds):
    """A learner's folder, with the files of the endpoints of those kinds as their cells would have saved them."""
    (folder / "exercise.toml").write_bytes((paths.NOTEBOOKS / LESSON / "exercise.toml").read_bytes())
    for name, kind in kinds.items():
        endpoint = EXERCISE.endpoint(name)
        (folder / endpoint.file).write_text(EXERCISE.answer_file(endpoint, kind).read_text())


@pytest.mark.long
def test_verdict_shows_points_and_diagnoses(tmp_path):
    """The verdict shows points and diagnoses, and nothing of the hidden tests."""
    saved(tmp_path, report="reference", price="starter")
    cells = ["from autograder.judge import checks\nexercise = checks.here()", "await exercise.verdict()"]
    notebook, _ = run_notebook(notebook_of(*cells), tmp_path)
    assert_quiet(notebook)
    lines = printed(notebook.cells[-1]).splitlines()
    heads = [line for line in lines if not line.startswith("      ")]
    assert heads == [
        "PASS  report_answers: 1 of 1",
        "PASS  report_concurrency: 2 of 2",
        "PASS  price_answers: 1 of 1",
        "FAIL  price_concurrency: 0 of 2",
        "FAIL  order_answers: 0 of 1",
        "FAIL  order_concurrency: 0 of 2",
        "4 of 9 points, hidden tests included.",
    ]
    told = lines[lines.index("FAIL  price_concurrency: 0 of 2") + 1]
    assert "blocked" in told and "time.sleep" in told
    assert "%%app order.py" in lines[lines.index("FAIL  order_answers: 0 of 1") + 1]
    assert "await" not in printed(notebook.cells[-1]).replace("`await`", "") and "Traceback" not in str(notebook.cells)


@pytest.mark.long
def test_verdict_is_silent_while_grading(tmp_path):
    """While nbgrader grades, the verdict runs nothing and prints one line."""
    saved(tmp_path)
    cells = [
        "from autograder.judge import checks\nexercise = checks.here()",
        'import os\nos.environ["NBGRADER_EXECUTION"] = "autograde"\nawait exercise.verdict()',
    ]
    notebook, _ = run_notebook(notebook_of(*cells), tmp_path)
    assert printed(notebook.cells[-1]) == "This notebook is being graded: the grade is the verdict.\n"


@pytest.mark.parametrize("folder", paths.exercises(), ids=lambda folder: folder.name)
def test_every_exercise_ends_with_it(folder):
    last = notebook_sources.exercise_notebook(folder).cells[-1]
    assert last.source == "await exercise.verdict()" and "nbgrader" not in last.metadata
    released = nbformat.read(paths.NOTEBOOKS / folder.name / f"exercise_{folder.name}.ipynb", 4)
    assert released.cells[-1].source == last.source
