"""nbgrader's settings for this course, with which a teacher's ``nbgrader_config.py`` starts."""

from __future__ import annotations

from pathlib import Path

from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.preprocessors import ClearSolutions, Execute, OverwriteCells, SaveAutoGrades, SaveCells
from traitlets.config import Config

from autograder import paths
from autograder.classroom.nbgrader import safe_html
from autograder.classroom.nbgrader.export import SettledCsvExport
from autograder.classroom.nbgrader.feedback import FeedbackExporter, StudentsView
from autograder.classroom.nbgrader.insert_starter import InsertStarter
from autograder.classroom.nbgrader.preprocessors import HideHiddenTests, JudgePreprocessor, SaveVerdicts
from autograder.classroom.nbgrader.restore_cells import RestoreCells
from autograder.judge.spec.endpoint import ExerciseError

CELL_LIMIT = 180  # s: a check of an app that never answers takes up to about a minute on a busy machine
IN_PLACE_OF = {Execute: JudgePreprocessor, SaveAutoGrades: SaveVerdicts, OverwriteCells: RestoreCells}


def apply(config: Config, isolation: str = "none", show_hidden_tests: bool = False) -> None:
    """Set the options of nbgrader's generate, autograde and feedback in a traitlets config.

    Nothing is graded with less than the level ``isolation``; ``show_hidden_tests`` leaves them in the feedback.
    """
    config.GenerateAssignment.preprocessors = preprocessors()
    config.Autograde.autograde_preprocessors = [IN_PLACE_OF.get(s, s) for s in Autograde().autograde_preprocessors]
    config.Autograde.sanitize_preprocessors = [IN_PLACE_OF.get(s, s) for s in Autograde().sanitize_preprocessors]
    config.GenerateFeedback.preprocessors = [HideHiddenTests, *GenerateFeedback().preprocessors, StudentsView]
    config.GenerateFeedback.exporter_class = FeedbackExporter
    safe_html.set_on(config)  # for feedback, and for what formgrader shows
    config.ExportApp.plugin_class = SettledCsvExport
    config.JudgePreprocessor.isolation = isolation
    config.HideHiddenTests.show = show_hidden_tests
    # a deleted test cell is restored: the app is judged, and that may be there
    config.OverwriteCells.add_missing_cells = True
    config.ExecutePreprocessor.timeout = CELL_LIMIT
    config.Execute.timeout = CELL_LIMIT
    config.KernelManager.transport_encryption = "auto"


def use_exercises(folder: str) -> None:
    """Add a folder with exercises of the teacher's own. Raises `ExerciseError` if it isn't there."""
    if not Path(folder).is_dir():
        raise ExerciseError(f"there is no folder {folder} with exercises")
    paths.add_own_exercises(folder)


def preprocessors(database: bool = True) -> list[type]:
    """Return nbgrader's own steps of generate_assignment, with `InsertStarter` instead of ClearSolutions."""
    steps = [InsertStarter if step is ClearSolutions else step for step in GenerateAssignment().preprocessors]
    return [step for step in steps if database or step is not SaveCells]
