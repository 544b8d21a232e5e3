"""nbgrader's ClearSolutions with a difference: the starter stands where the solution stood."""

from nbgrader.preprocessors import ClearSolutions


class InsertStarter(ClearSolutions):
    """Puts the text in a cell's metadata ``course.starter`` in the place of its solution region."""

    def preprocess_cell(self, cell, resources, cell_index):
        starter = cell.metadata.pop("course", {}).get("starter")
        if starter is None:
            return super().preprocess_cell(cell, resources, cell_index)
        stub, self.code_stub = self.code_stub, {**self.code_stub, "python": starter}
        try:
            return super().preprocess_cell(cell, resources, cell_index)
        finally:
            self.code_stub = stub
