"""nbgrader's settings for this course; a teacher's ``nbgrader_config.py`` starts from them."""

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions, SaveCells

from .starter import PutStarter

CELL_LIMIT = 180  # s: a check of an app that never answers takes up to about a minute on a busy machine


def apply(config):
    """Set on a traitlets config what generating, autograding and feedback need."""
    config.GenerateAssignment.preprocessors = preprocessors()
    config.ExecutePreprocessor.timeout = CELL_LIMIT
    config.Execute.timeout = CELL_LIMIT
    config.KernelManager.transport_encryption = "auto"


def preprocessors(database=True):
    """nbgrader's own steps of generate_assignment, with `PutStarter` for ClearSolutions."""
    steps = [PutStarter if step is ClearSolutions else step for step in GenerateAssignment().preprocessors]
    return [step for step in steps if database or step is not SaveCells]
