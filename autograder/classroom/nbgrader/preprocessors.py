"""The course's steps of nbgrader's autograde and feedback: the judge replaces the kernel that runs students' code.

`JudgePreprocessor` replaces nbgrader's Execute. It reads the learner's cells as files, has them judged in other processes,
and writes each verdict as the output of the graded cell, so that all later steps are nbgrader's own.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor, SaveAutoGrades
from traitlets import Any as AnyTrait
from traitlets import Bool, Unicode

from autograder.classroom import draw, grade, handed_in, race_picture
from autograder.classroom.lessons import items_of, lesson_of
from autograder.classroom.nbgrader.sandboxed_kernel import SandboxedExecute
from autograder.errors import UserFacingError
from autograder.judge.verdict import Outcome
from autograder.sandbox import levels

_found: dict[str, Any] = {}


class RefusedSubmission(UserFacingError):
    """A submission contains links or special files; none of it is graded."""


class JudgePreprocessor(NbGraderPreprocessor):
    """Puts the judge's verdicts into the graded cells of a notebook of this course.

    A graded cell that isn't of this course is run in a kernel, in a sandbox if there is one, together with all cells before
    it: such a test shares its process with the code that it tests.
    """

    isolation = Unicode("none", help="Refuse to grade with less isolation than this level.").tag(config=True)
    verdicts = AnyTrait(
        None, allow_none=True, help="A function from a submitted file to its result as a dictionary."
    ).tag(config=True)

    def preprocess(self, notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        if why := handed_in.problem(self._submitted(resources).parent):
            raise RefusedSubmission(why)  # nbgrader removes what it has copied
        cells = [cell for cell in notebook.cells if utils.is_grade(cell) and not utils.is_solution(cell)]
        graded = {cell.metadata.nbgrader["grade_id"]: cell for cell in cells if cell.cell_type == "code"}
        about = resources["nbgrader"]
        lesson = lesson_of(graded, about["assignment"], about["notebook"], self._source(about["assignment"]))
        ours = items_of(lesson) if lesson else set()
        isolation = self.isolation
        if graded.keys() - ours:
            foreign = ", ".join(sorted(graded.keys() - ours))
            self.log.warning(
                "%s: the tests %s are not of this course. They run in one kernel with the student's code, which can "
                "change them, read them, and print a score of its own.",
                resources["nbgrader"]["student"],
                foreign,
            )
            found = isolation_of(self.isolation)
            isolation = found.level if found.level == "namespaces" else "none"
            run = SandboxedExecute(parent=self, sandboxed=found.level == "namespaces")
            notebook, resources = run.preprocess(notebook, resources)
        if lesson:
            result = self._result(self._submitted(resources), lesson, about["student"])
            isolation = result["isolation"]
            for name in graded.keys() & ours:
                write_output(graded[name], item_of(result, name))
        notebook.metadata["graded"] = {"isolation": isolation}
        return notebook, resources

    def _source(self, assignment: str) -> Path:
        """Return the folder of an assignment in the teacher's source/."""
        folder = CourseDirectory(parent=self)
        return Path(folder.format_path(folder.source_directory, ".", assignment))

    def _submitted(self, resources: dict[str, Any]) -> Path:
        """Return the file as it was submitted, so that the judge gets the same input wherever it runs."""
        about = resources["nbgrader"]
        folder = CourseDirectory(parent=self)
        path = folder.format_path(folder.submitted_directory, about["student"], about["assignment"])
        return Path(path) / f"{about['notebook']}.ipynb"

    def _result(self, file: Path, lesson: str, student: str) -> dict[str, Any]:
        if self.verdicts:
            return self.verdicts(file, lesson)
        variant = draw.of_student(Path(CourseDirectory(parent=self).root), lesson, student)
        sandbox = isolation_of(self.isolation).sandbox
        # nbgrader may run in a thread with an event loop; a new thread has none
        with ThreadPoolExecutor(1) as thread:
            return asdict(thread.submit(asyncio.run, grade.grade(file, sandbox, lesson, variant)).result())


def isolation_of(required: str) -> Any:
    """Return the `levels.Isolation` of this process, tried once. Raises `levels.IsolationUnavailable`."""
    if required not in _found:
        _found[required] = levels.at_least(required)
    return _found[required]


def item_of(result: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the result's item for a graded cell; an undecided one if it's missing, because nbgrader gives a silent cell all points."""
    said = "No verdict: the judge did not come to this item."
    for item in result["items"]:
        if item["id"] == name:
            return item
        if item["outcome"] == Outcome.ERROR:
            said = item["diagnosis"]
    return {"id": name, "points": 0, "max_points": 0, "outcome": Outcome.ERROR, "diagnosis": said}


def write_output(cell: NotebookNode, item: dict[str, Any]) -> None:
    """Make a verdict the output of its cell, in the format from which nbgrader reads a score."""
    cell.outputs = []
    cell.execution_count = None
    _write_outcome(cell, item)
    if race := item.get("race"):
        picture = {"text/html": race_picture.figure(race), "text/plain": race["said"]}
        cell.outputs.append(new_output("display_data", data=picture))


def _write_outcome(cell: NotebookNode, item: dict[str, Any]) -> None:
    """Append the output with the points of an item, and the reason."""
    said = item["diagnosis"]
    if item["outcome"] == Outcome.PASS:
        cell.outputs.append(new_output("stream", name="stdout", text=(said or "Passed.") + "\n"))
        return
    if item["outcome"] == Outcome.ERROR:
        cell.outputs.append(new_output("stream", name="stdout", text=f"{said}\nA person must look at this.\n"))
        cell.metadata.nbgrader["undecided"] = True
        return
    share = item["points"] / item["max_points"] if item["max_points"] else 0
    if share:
        cell.outputs.append(new_output("stream", name="stdout", text=f"Not yet: {said}\n"))
        points = json.dumps(share * float(cell.metadata.nbgrader["points"]))
        cell.outputs.append(new_output("execute_result", data={"text/plain": points}, execution_count=None))
        return
    lines = [f"Not yet: {line}" if number == 0 else line for number, line in enumerate(said.splitlines() or ["failed"])]
    cell.outputs.append(new_output("error", ename="NotYet", evalue=said, traceback=lines))


class SaveVerdicts(SaveAutoGrades):
    """nbgrader's SaveAutoGrades, except that an item without a verdict gets no score: formgrader lists it for a person."""

    def _add_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        undecided = cell.metadata.nbgrader.pop("undecided", False)
        super()._add_score(cell, resources)
        if undecided:
            name = cell.metadata["nbgrader"]["grade_id"]
            score = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
            score.auto_score = None
            score.needs_manual_grade = True
            self.gradebook.db.commit()


class HideHiddenTests(ClearHiddenTests):
    """Removes hidden tests from feedback, and tracebacks that quote them; diagnoses stay."""

    show = Bool(False, help="Show students the hidden tests in their feedback.").tag(config=True)

    def preprocess(self, notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        return (notebook, resources) if self.show else super().preprocess(notebook, resources)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        before = cell.source
        cell, resources = super().preprocess_cell(cell, resources, index)
        if cell.source != before:
            for output in cell.get("outputs", []):
                if output.output_type == "error" and output.ename != "NotYet":
                    output.traceback = [f"{output.ename}: a hidden test did not pass"]
                    output.evalue = ""
        return cell, resources
