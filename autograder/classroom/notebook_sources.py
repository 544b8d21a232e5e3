"""Converts the text sources of a lesson to nbgrader's source notebooks.

In the text, a cell of an exercise only names its endpoint: ``app="report"``, ``answers="report"``,
``concurrency="report"``. This module adds points, nbgrader's metadata, the reference solution and the starter, from
``exercise.toml`` and the catalogue, so they can't diverge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from autograder.judge.spec.endpoint import PARTS, ExerciseError
from autograder.judge.spec.exercise import Exercise, load
from autograder.judge.spec.tables import WRITTEN_POINTS
from autograder.judge.spec.variants import ORDER, PLACEHOLDER, filled, tag

CELLS = ("app", *PARTS, *(part for parts in WRITTEN_POINTS.values() for part in parts))
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def lesson_notebook(folder: Path | str) -> NotebookNode:
    """Return the walk-through of a lesson, from ``lesson.py``."""
    notebook = _read(Path(folder) / "lesson.py")
    return _finished(notebook, Path(folder).name, "lesson")


def exercise_notebook(folder: Path | str, variant: Mapping[str, Any] | None = None) -> NotebookNode:
    """Return nbgrader's source notebook of an exercise, with the reference solution, hidden tests, and starters as metadata.

    An exercise with variants is built as the ``variant`` that's named, or with the first value of each list.

    Raises `ExerciseError` if the cells and ``exercise.toml`` do not agree.
    """
    folder = Path(folder)
    exercise = load(folder, variant)
    notebook = _read(folder / "exercise.py")
    _fill(notebook, exercise)
    if ORDER in exercise.variant:
        notebook.cells = _in_order(notebook.cells, [endpoint.cell for endpoint in exercise.endpoints])
    apps = {endpoint.cell: endpoint for endpoint in exercise.tasks}
    seen = []
    for cell in notebook.cells:
        kind = next((kind for kind in CELLS if kind in cell.metadata), None)
        if kind is None:
            continue
        name = cell.metadata.pop(kind)
        seen.append((name, kind))
        if kind == "app" and name in apps:
            endpoint = apps[name]
            _app_cell(cell, exercise, endpoint)
        elif kind == "app":
            raise ExerciseError(f"{folder.name}/exercise.py has an app cell {name!r}; there are: {', '.join(apps)}.")
        else:
            endpoint = exercise.endpoint(name)
            if kind not in endpoint.parts:
                raise ExerciseError(f"{folder.name}: exercise.toml gives no points for the {kind} of {name}.")
            cell.metadata["nbgrader"] = _nbgrader(endpoint.item(kind), points=endpoint.points[kind])
            # so that Run All continues with the other endpoints after a check that fails
            cell.metadata["tags"] = ["raises-exception"]
    wanted = []
    for endpoints in exercise.files:
        wanted.append((endpoints[0].cell, "app"))
        wanted += [(endpoint.id, part) for endpoint in endpoints for part in endpoint.parts]
    if seen != wanted:
        raise ExerciseError(
            f"{folder.name}/exercise.py must have, for each endpoint of exercise.toml and in its order, one cell "
            f"with app= and one for each part that has points (answers=, concurrency=). It has {seen}, not {wanted}."
        )
    return _finished(notebook, exercise.lesson, "exercise", tag(exercise.variant))


def _fill(notebook: NotebookNode, exercise: Exercise) -> None:
    """Put the values of a variant into the cells. The gradebook has one text for each graded cell, so these have none."""
    for cell in notebook.cells if exercise.variant else ():
        if any(kind in cell.metadata for kind in CELLS) and PLACEHOLDER.search(cell.source):
            raise ExerciseError(
                f"{exercise.lesson}/exercise.py: a graded cell is the same in all variants, so it can't hold <<...>>."
            )
        cell.source = filled(cell.source, exercise.variant)


def _in_order(cells: list[NotebookNode], order: list[str]) -> list[NotebookNode]:
    """Return the cells with the sections of the endpoints in this order; what's above and below them stays.

    A section begins with the last heading ``##`` above its app cell. The last one ends in front of the next such heading.
    """

    def is_heading(cell: NotebookNode) -> bool:
        return cell.cell_type == "markdown" and cell.source.lstrip().startswith("## ")

    starts: dict[str, int] = {}
    last = heading = 0
    for index, cell in enumerate(cells):
        heading = index if is_heading(cell) else heading
        if "app" in cell.metadata:
            starts[cell.metadata["app"]] = heading
        if any(kind in cell.metadata for kind in CELLS):
            last = index
    if sorted(starts) != sorted(order):
        return cells  # what's wrong is said by the caller
    end = next((index for index, cell in enumerate(cells) if index > last and is_heading(cell)), len(cells))
    ends = dict(zip(starts, [*list(starts.values())[1:], end], strict=True))
    sections = [cell for name in order for cell in cells[starts[name] : ends[name]]]
    return [*cells[: min(starts.values())], *sections, *cells[end:]]


def _app_cell(cell: NotebookNode, exercise: Exercise, endpoint: Any) -> None:
    magic = f"{endpoint.magic} {endpoint.file}"
    if cell.source.strip() != magic:
        raise ExerciseError(
            f"The app cell of {endpoint.id} must hold the line {magic} and nothing else: the build fills it."
        )
    reference = exercise.answer_text(endpoint, "reference").rstrip("\n")
    starter = exercise.answer_text(endpoint, "starter").rstrip("\n")
    cell.source = "\n".join([magic, BEGIN, reference, END])
    cell.metadata["nbgrader"] = _nbgrader(endpoint.cell)
    cell.metadata["course"] = {"starter": starter}


def _nbgrader(grade_id: str, points: float | None = None) -> dict[str, Any]:
    """Return nbgrader's metadata (schema version 3) for a solution cell, or for a test cell worth ``points``."""
    graded = points is not None
    data = {
        "grade": graded,
        "grade_id": grade_id,
        "locked": graded,
        "schema_version": 3,
        "solution": not graded,
        "task": False,
    }
    if graded:
        data["points"] = points
    return data


def _read(file: Path) -> NotebookNode:
    try:
        return jupytext.read(file)
    except FileNotFoundError:
        raise ExerciseError(f"{file.parent.name} has no {file.name}.") from None


def _finished(notebook: NotebookNode, lesson: str, kind: str, variant: str = "") -> NotebookNode:
    """Return the notebook with only the course's metadata, and with cell ids that depend only on the cells' contents."""
    about = {"lesson": lesson, "kind": kind} | ({"variant": variant} if variant else {})
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "course": about})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    ids = set()
    for cell in notebook.cells:
        stem = cell.metadata.get("nbgrader", {}).get("grade_id")
        stem = stem or hashlib.sha256(f"{cell.cell_type}:{cell.source}".encode()).hexdigest()[:8]
        name, count = stem, 1
        while name in ids:
            count += 1
            name = f"{stem}-{count}"
        ids.add(name)
        cell["id"] = name
    return notebook
