"""The notebooks are what the sources make, and give nothing away."""

import json
import subprocess

import nbformat
import pytest

from autograder import paths
from autograder.classroom import build, notebook_sources
from autograder.judge.spec.endpoint import ExerciseError
from autograder.judge.spec.exercise import load


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    return build.build(tmp_path_factory.mktemp("build"))


def test_notebooks_are_up_to_date(products):
    assert build.differences(products) == []


def test_build_is_reproducible(products, tmp_path):
    """Building twice gives the same bytes."""
    assert build.build(tmp_path) == products


def test_the_check_sees_a_change(products, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(build, "RECORD", tmp_path / "x" / "built.json")
    build.install(products)
    assert build.differences(products) == []
    name = next(iter(products))
    (tmp_path / name).write_bytes(b"changed")
    assert build.differences(products) == [f"notebooks/{name} is not what solutions/ makes."]
    (tmp_path / name).unlink()
    assert build.differences(products) == [f"notebooks/{name} is missing."]


def test_build_keeps_a_learners_work(products, tmp_path, monkeypatch, capsys):
    """A notebook that a learner has changed is never overwritten, and the build says so."""
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(build, "RECORD", tmp_path / "x" / "built.json")
    build.install(products)
    name = "01_sleeping/exercise_01_sleeping.ipynb"
    (tmp_path / name).write_bytes(b"an evening's work")
    assert build.main() == 1
    assert "they are kept" in capsys.readouterr().out
    assert (tmp_path / name).read_bytes() == b"an evening's work"


def test_leftover_built_file_is_removed(products, tmp_path, monkeypatch):
    """A tracked notebook without a source is reported and removed; a learner's own file stays."""
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(build, "RECORD", tmp_path / "x" / "built.json")
    build.install(products)
    old = tmp_path / "01_sleeping" / "old.ipynb"
    old.write_text("{}")
    mine = tmp_path / "01_sleeping" / "my_notes.ipynb"
    mine.write_text("{}")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "add", "01_sleeping/old.ipynb"], check=True)
    assert build.differences(products) == ["notebooks/01_sleeping/old.ipynb comes from nothing in solutions/."]
    build.install(products)
    assert not old.exists() and mine.exists()


def test_released_notebooks_give_nothing_away(products):
    for name, data in products.items():
        text = data.decode()
        assert "HIDDEN TESTS" not in text and "BEGIN SOLUTION" not in text and "exercise.concurrency" not in text, name
        assert "exercise.score" not in text, name
    for folder in paths.exercises():
        released = products[f"{folder.name}/exercise_{folder.name}.ipynb"].decode()
        exercise = load(folder)
        cells = {cell.id: cell.source for cell in nbformat.reads(released, 4).cells}
        for endpoint in exercise.endpoints:
            starter = exercise.answer_file(endpoint, "starter").read_text().rstrip()
            assert cells[endpoint.cell] == f"%%app {endpoint.file}\n{starter}"
            assert endpoint.parts and all(endpoint.item(part) in cells for part in endpoint.parts)
        names = {file for file in products if file.startswith(folder.name)}
        assert names <= {f"{folder.name}/{kind}_{folder.name}.ipynb" for kind in ("lesson", "exercise")} | {
            f"{folder.name}/exercise.toml",
            *(f"{folder.name}/{file.name}" for file in build.given(folder)),
        }


def test_released_notebooks_are_valid(products):
    """Released notebooks are valid, have unique cell ids and carry no outputs or extra metadata."""
    for name, data in products.items():
        if name.endswith(".ipynb"):
            notebook = nbformat.reads(data.decode(), 4)
            nbformat.validate(notebook)
            assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
            assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
            assert set(json.loads(data)["metadata"]) == {"kernelspec", "course"}


def test_points_come_from_exercise_file():
    """The points of the graded cells are those in the exercise file."""
    for folder in paths.exercises():
        exercise = load(folder)
        graded = {
            cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
            for cell in notebook_sources.exercise_notebook(folder).cells
            if cell.metadata.get("nbgrader", {}).get("grade")
        }
        assert graded == {e.item(part): e.points[part] for e in exercise.tasks for part in e.points}


def test_cells_must_match_exercise_file(tmp_path):
    """Cells that don't match the exercise file are refused, with a message that names what is missing."""
    folder = tmp_path / "01_tea"
    folder.mkdir()
    (folder / "exercise.toml").write_text((paths.SOLUTIONS / "01_sleeping" / "exercise.toml").read_text())
    with pytest.raises(ExerciseError, match="has no exercise.py"):
        notebook_sources.exercise_notebook(folder)
    (folder / "exercise.py").write_text('# %% answers="report"\nx\n')
    with pytest.raises(ExerciseError, match="one cell with app="):
        notebook_sources.exercise_notebook(folder)
    (folder / "exercise.py").write_text('# %% app="report"\n# %%app report.py\nx = 1\n')
    with pytest.raises(ExerciseError, match="must hold the line %%app report.py"):
        notebook_sources.exercise_notebook(folder)
