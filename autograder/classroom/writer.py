"""The only writer of the gradebook, in its own thread."""

from __future__ import annotations

import logging
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.classroom import intake
from autograder.classroom.grade import Item, Result, as_text
from autograder.classroom.nbgrader import feedback
from autograder.classroom.nbgrader.gradebook import NbGraderException, Writer
from autograder.classroom.printable import one_line
from autograder.judge.verdict import Outcome

if TYPE_CHECKING:
    from autograder.classroom.grade_class import Run, Submission

UNDECIDED = "undecided "  # prefix of the key if some verdict is missing


class GradebookWriter(threading.Thread):
    """The thread that writes to the gradebook. An error that isn't due to one submission ends the run."""

    def __init__(self, run: Run, lesson: str) -> None:
        super().__init__(daemon=True)
        self.run_of = run
        self.lesson = lesson
        self.todo: queue.Queue[Submission | None] = queue.Queue()
        self.trouble: BaseException | None = None
        self.points: dict[str, float] = {}
        self.handler = Log()
        self.now: Submission | None = None
        self.start()

    def put(self, submission: Submission) -> None:
        """Write a submission when its turn comes."""
        self.todo.put(submission)

    def check(self) -> None:
        """Raise the exception that ended the thread, if there was one."""
        if self.trouble:
            raise self.trouble

    def end(self) -> None:
        """Wait until all submissions are written, and end the thread."""
        self.todo.put(None)
        self.join()

    def run(self) -> None:
        """Write one submission after another."""
        log = logging.getLogger("autograder.nbgrader")
        log.setLevel(logging.INFO)
        log.propagate = False
        log.handlers = [self.handler]
        try:
            self.points = self.run_of.course.points(self.lesson)
            writer = Writer.of(self.run_of.course, self.lesson, self._verdict)
            while (submission := self.todo.get()) is not None:
                self._write(writer, submission)
        except BaseException as trouble:
            self.trouble = trouble

    def _verdict(self, file: Path, lesson: str) -> dict[str, Any] | None:
        """Return the result for a file of the submission that is being written."""
        assert self.now is not None
        name = Path(file).name
        result = self.now.results.get(name) or self.run_of.store.result(self.now.keys[Path(file)])
        return result

    def _write(self, writer: Writer, submission: Submission) -> None:
        run = self.run_of
        self.now = submission
        self.handler.lines.clear()
        kept = [run.store.result(key) for key in submission.keys.values()]
        results = [r for r in [*submission.results.values(), *(kept if not submission.results else [])] if r]
        results = [in_gradebooks_points(result, self.points) for result in results]
        said = [as_text(Result(**{**r, "items": [Item(**i) for i in r["items"]]})) for r in results]
        pages = run.course.feedback(self.lesson, submission.student)
        # a submission that is half written when this process is killed must not count as done under its old key
        run.store.wrote(self.lesson, submission.student, "")
        try:
            self._write_salvaged(writer, submission, results)
        except NbGraderException:
            broken = [i["diagnosis"] for r in results for i in r["items"] if i["diagnosis"].startswith("Not graded")]
            why = one_line(submission.missing or (broken[0] if broken else "nbgrader cannot read it; see the log"))
            if (
                submission.missing or broken
            ):  # what nbgrader alone refuses may be the gradebook's fault: it's tried again
                run.store.note_broken(self.lesson, submission.student, submission.files, why)
            run.needs_a_person(self.lesson, submission.student, why)
            for file in submission.keys or [Path(f"{next(iter(run.course.items(self.lesson)))}.ipynb")]:
                feedback.write_not_graded(
                    pages,
                    Path(file).stem,
                    f"{why.removeprefix('Not graded: ').rstrip('.')}.",
                    run.course.submitted(self.lesson, submission.student),
                )
        else:
            feedback.remove_not_graded(pages)
            run.store.note_broken(self.lesson, submission.student, "", "")
            run.store.note_try(
                self.lesson, submission.student, submission.answers, [item for r in results for item in r["items"]]
            )
            open_ = [item for r in results for item in without_verdict(r)]
            run.store.wrote(self.lesson, submission.student, (UNDECIDED if open_ else "") + submission.key)
            if open_:
                run.needs_a_person(self.lesson, submission.student, open_[0]["diagnosis"])
            elif submission.extra:
                run.needs_a_person(self.lesson, submission.student, submission.extra)
        run.log(submission, "\n".join([*said, "", *self.handler.lines]))
        if run.as_json:
            facts = {"lesson": self.lesson, "student": submission.student}
            run.emit("done", "", **facts, items=[item for r in results for item in map(without_race, r["items"])])
        if run.progress:
            run.progress.one()

    def _write_salvaged(self, writer: Writer, submission: Submission, results: list[dict[str, Any]]) -> None:
        """Write a submission; if nbgrader refuses a notebook whose answers were judged, from a fresh one with these answers.

        Else a student could keep each FAIL out of the gradebook, with a line of metadata. So it's done with a huge one at once,
        which nbgrader would copy and validate a dozen times while the class waits. Raises `NbGraderException`.
        """
        judged = results and not any(i["diagnosis"].startswith("Not graded") for r in results for i in r["items"])
        lessons = {Path(result["path"]).name: result["lesson"] for result in results}
        ours = [file for file in submission.keys if lessons.get(file.name)] if judged and not submission.missing else []
        salvaged = [file for file in ours if intake.is_huge(file) and intake.salvage(file, lessons[file.name])]
        why = "The notebook is huge"
        if not salvaged:
            try:
                writer.write(submission.student)
                return
            except NbGraderException:
                salvaged = [file for file in ours if intake.salvage(file, lessons[file.name])]
                why = "nbgrader can't read the notebook"
                if not salvaged:
                    raise
        try:
            writer.write(submission.student)
        except NbGraderException:
            for file in salvaged:  # it wasn't the notebook's fault
                intake.put_back(file)
            raise
        remark = f"{why}, so its answers were put into a fresh one."
        self.run_of.emit(
            "rescued",
            f"{submission.student}: {remark}",
            lesson=self.lesson,
            student=submission.student,
            remark=remark,
        )


def without_race(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item without the data for its picture."""
    return {name: value for name, value in item.items() if name != "race"}


def without_verdict(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the items of a result that have no verdict."""
    return [item for item in result["items"] if item["outcome"] == Outcome.ERROR]


def is_final(item: dict[str, Any]) -> bool:
    """Return True for an item that would get the same result again: a verdict, or a file that can't be graded."""
    return item["outcome"] != Outcome.ERROR or item["diagnosis"].startswith("Not graded")


def in_gradebooks_points(result: dict[str, Any], points: dict[str, float]) -> dict[str, Any]:
    """Return a result with the points that the gradebook gives for its items: a teacher may have changed them."""
    items = []
    for item in result["items"]:
        worth = points.get(item["id"], item["max_points"])
        share = item["points"] / item["max_points"] if item["max_points"] else 0
        items.append({**item, "points": share * worth, "max_points": worth})
    totals = {name: sum(item[name] for item in items) for name in ("points", "max_points")}
    return {**result, **totals, "items": items}


class Log(logging.Handler):
    """Collects nbgrader's log of one submission."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname}: {record.getMessage()}")
