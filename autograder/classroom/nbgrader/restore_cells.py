"""nbgrader's OverwriteCells, except that changed and deleted cells don't stop grading, and that the log has no noise."""

import re
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.preprocessors import OverwriteCells, overwritecells

HIDDEN = re.compile(r"^[ \t]*### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


class RestoreCells(OverwriteCells):
    """Restores cells as they were released, even if their ``grade_id`` was changed or they were deleted.

    nbgrader's own step raises KeyError for a changed ``grade_id``, and if both an answer and its test were deleted.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Give each cell back the id and the role that the gradebook has for it, then do what nbgrader does."""
        about = resources["nbgrader"]
        with overwritecells.Gradebook(about["db_url"]) as book:  # nbgrader's name for it: see `gradebook.Writer.of`
            notebook = book.find_notebook(about["notebook"], about["assignment"])
            sources = {cell.name: cell.source for cell in notebook.source_cells}
            points = {cell.name: cell.max_score for cell in notebook.grade_cells}
            answers = {cell.name for cell in notebook.solution_cells}
            tasks = {cell.name for cell in notebook.task_cells}
        self._has_ids = (nb.nbformat, nb.nbformat_minor) >= (4, 5)
        self._restore_ids(nb, sources, answers)
        for cell in nb.cells:
            data = cell.metadata.get("nbgrader")
            if data is not None and data["grade_id"] not in tasks:
                name = data["grade_id"]
                data["grade"], data["solution"] = name in points, name in answers
                if name in points:
                    data.setdefault("points", points[name])
                else:
                    data.pop("points", None)
        self._add_missing_answers(nb, list(sources), answers - set(points))
        return super().preprocess(nb, resources)

    def _restore_ids(self, nb: NotebookNode, sources: dict[str, str], answers: set[str]) -> None:
        """Recognise answers whose id was changed by their first line; make cells with other unknown ids ordinary ones."""
        there = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in nb.cells}
        missing = {_first_line(sources[name]): name for name in answers - there}
        for cell in nb.cells:
            data = cell.metadata.get("nbgrader")
            if data is None:
                continue
            if not isinstance(data, dict) or data.get("grade_id") not in sources:
                name = missing.pop(_first_line(cell.source), None) if isinstance(data, dict) else None
                if name is None:
                    del cell.metadata["nbgrader"]
                    self.log.warning("A cell has an id that isn't one of this assignment's. It isn't graded.")
                else:
                    data["grade_id"] = name
                    self.log.warning("The id of the cell %s was changed. Its first line shows which one it is.", name)

    def _add_missing_answers(self, nb: NotebookNode, order: list[str], answers: set[str]) -> None:
        """Put a comment where the cell of an answer was deleted: nbgrader puts a missing test behind the cell before it."""
        for position, name in enumerate(order):
            there = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in nb.cells]
            if name in there or name not in answers:
                continue
            self.log.warning("The cell %s was deleted.", name)
            before = [there.index(other) for other in order[:position] if other in there]
            cell = new_code_cell(f"# The cell {name} wasn't in the notebook that was handed in.")
            cell.metadata["nbgrader"] = {
                "grade": False, "grade_id": name, "locked": False, "schema_version": 3, "solution": True, "task": False,
            }  # fmt: skip
            if not self._has_ids:
                del cell["id"]
            nb.cells.insert(max(before) + 1 if before else 0, cell)

    def missing_cell_transform(self, *arguments: Any, **options: Any) -> NotebookNode:
        """Return nbgrader's copy of a deleted test, with a cell id where the notebook's format has them."""
        cell = super().missing_cell_transform(*arguments, **options)
        if self._has_ids:
            cell["id"] = new_code_cell().id
        return cell

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Do what nbgrader does; a test that only lacks its hidden part isn't reported as changed."""
        self._cell = cell
        return super().preprocess_cell(cell, resources, cell_index)

    def report_change(self, name: str, attr: str, old: Any, new: Any) -> None:
        """Log a change by the student; releasing a test without its hidden part isn't one."""
        if attr == "checksum":
            source = self.gradebook.find_source_cell(name, self.notebook_id, self.assignment_id).source
            if HIDDEN.sub("", source).strip() == self._cell.source.strip():
                return
        super().report_change(name, attr, old, new)


def _first_line(source: Any) -> str:
    """Return the first line of a cell that has any text."""
    lines = source.strip().splitlines() if isinstance(source, str) else []
    return lines[0].strip() if lines else ""
