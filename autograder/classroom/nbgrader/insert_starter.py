"""nbgrader's ClearSolutions, except that the starter replaces the solution."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions


class InsertStarter(ClearSolutions):
    """Replaces a cell's solution region by the text in its metadata ``course.starter``."""

    code_stub: dict[str, str]  # a trait of nbgrader's

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        starter = cell.metadata.pop("course", {}).get("starter")
        if starter is None:
            return super().preprocess_cell(cell, resources, cell_index)
        stub = dict(self.code_stub)
        self.code_stub = {**stub, "python": starter}
        try:
            return super().preprocess_cell(cell, resources, cell_index)
        finally:
            self.code_stub = stub
