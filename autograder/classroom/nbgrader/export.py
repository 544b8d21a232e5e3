"""nbgrader's CSV export with one difference: points that aren't settled are blank, not 0."""

import csv
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import CsvExportPlugin

COLUMNS = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
    "late_submission_penalty", "score", "max_score",
)  # fmt: skip


class SettledCsvExport(CsvExportPlugin):
    """Writes the columns of nbgrader's own plugin. A submission that waits for a person has no points yet.

    A student who handed in nothing gets 0, as in nbgrader.
    """

    def export(self, gradebook: Gradebook) -> None:
        """Write all grades to the file that ``--to`` names (grades.csv)."""
        with Path(self.to or "grades.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            for assignment in gradebook.assignments:
                if self.assignment and assignment.name not in self.assignment:
                    continue
                for student in gradebook.students:
                    if not self.student or student.id in self.student:
                        table.writerow(self._row(gradebook, assignment, student))

    def _row(self, gradebook: Gradebook, assignment: Any, student: Any) -> dict[str, Any]:
        """Return the row of one student for one assignment."""
        row = {
            "assignment": assignment.name,
            "duedate": assignment.duedate,
            "student_id": student.id,
            "last_name": student.last_name,
            "first_name": student.first_name,
            "email": student.email,
            "max_score": assignment.max_score,
        }
        try:
            submission = gradebook.find_submission(assignment.name, student.id)
        except MissingEntry:
            return row | {"timestamp": "", "raw_score": 0.0, "late_submission_penalty": 0.0, "score": 0.0}
        row["timestamp"] = submission.timestamp
        if not is_settled(submission, self._autograded(assignment.name, student.id)):
            return row
        penalty = submission.late_submission_penalty or 0.0
        score = max(0.0, submission.score - penalty)
        return row | {"raw_score": submission.score, "late_submission_penalty": penalty, "score": score}

    def _autograded(self, assignment: str, student: str) -> Path:
        """Return nbgrader's folder of one graded submission."""
        folder = self.parent.coursedir
        return Path(folder.format_path(folder.autograded_directory, student, assignment))


def is_settled(submission: Any, autograded: Path) -> bool:
    """True if the points of a submission count: it was read and graded, and no cell waits for a person."""
    return not submission.needs_manual_grade and any(autograded.glob("*.ipynb"))
