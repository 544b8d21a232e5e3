"""Decides which of a student's submitted files to grade, and describes the others.

nbgrader grades the notebook that has the name it was released with, and skips all others without a word. So a finished
``exercise-Copy1.ipynb`` next to an untouched ``exercise.ipynb`` counts as untouched work. Here each notebook is read (never
run) and classified. If only one file can be meant, it's graded; otherwise the teacher gets a message.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder import paths
from autograder.classroom import submission as reading
from autograder.classroom.submission import Submission, UnreadableSubmission
from autograder.judge.spec.exercise import Exercise, load
from autograder.judge.spec.variants import Variant

HUGE_BYTES, HUGE_CELLS = 30 << 20, 2000  # of a notebook: outputs of 20 MB happen
REPLACED = ".replaced"  # is added to the name of a file whose place another one took


@dataclass
class Intake:
    """The result of `examine`. ``chosen`` is the notebook to grade instead of the expected one, or None.

    ``remarks`` say what the extra files are. ``problem`` says why a person must look, and is "" if nobody must.
    """

    chosen: Path | None = None
    problem: str = ""
    remarks: list[str] = field(default_factory=list)


@dataclass
class Notebook:
    """One notebook of a submission. ``answers`` are the texts of its graded cells; it's ``done`` if one was changed.

    ``fault`` says why it can't be graded for this lesson.
    """

    file: Path
    answers: tuple[str | None, ...] = ()
    done: bool = False
    fault: str = ""


def examine(folder: Path, name: str, lesson: str, variant: Variant | None = None) -> Intake:
    """Look through a student's ``folder`` for the notebook ``name`` (without .ipynb) of a lesson's exercise.

    ``variant`` is the one that the student was given, if the exercise has variants.
    """
    exercise = load(paths.exercise(lesson), variant)
    expected_file = folder / f"{name}.ipynb"
    files = sorted(file for file in folder.glob("*.ipynb") if file.is_file() and not file.is_symlink())
    others = [describe(file, exercise) for file in files if file != expected_file]
    expected = describe(expected_file, exercise) if expected_file in files else None
    found = Intake(remarks=[_remark(other, expected) for other in others])
    if expected and expected.done:
        if differing := [o.file.name for o in others if o.done and o.answers != expected.answers]:
            found.problem = (
                f"{expected_file.name} was graded, and {_list(differing)} with other answers came with it. If that is the one "
                f"to grade, give it the name {expected_file.name} and run this again"
            )
        return found
    usable = [other for other in others if not other.fault and (other.done or not expected or expected.fault)]
    done = [other for other in usable if other.done] or usable
    if len({other.answers for other in done}) == 1:
        found.chosen = done[-1].file
        why = "is missing" if not expected else expected.fault or "is as it was released"
        found.remarks.append(f"{found.chosen.name} is graded, because {expected_file.name} {why}.")
    elif done:
        found.problem = (
            f"{_list([other.file.name for other in done])} have different answers. Give the one to grade the name "
            f"{expected_file.name} and run this again"
        )
    elif expected is None:
        there = ", ".join(sorted(file.name for file in folder.iterdir() if file.name != "timestamp.txt")) or "nothing"
        faults = "".join(f"; {other.file.name} {other.fault}" for other in others if other.fault)
        found.problem = (
            f"there is no {expected_file.name}, but {there}{faults}. Give the file this name and run this again"
        )
    return found


def rescue(found: Intake, expected: Path) -> None:
    """Copy the chosen notebook to the expected path; a file that was there is kept with the suffix `REPLACED`."""
    if found.chosen is None:
        return
    if expected.exists():
        expected.replace(expected.with_name(expected.name + REPLACED))
    shutil.copy2(found.chosen, expected, follow_symlinks=False)


def salvage(file: Path, lesson: str) -> bool:
    """Put a fresh notebook with the same answers in the place of one that nbgrader refuses, and keep that under `REPLACED`.

    nbgrader stops at whatever isn't as it expects in a notebook's metadata, attachments or outputs, none of which is judged.
    It adds the tests itself. Returns False, and changes nothing, if there are no answers to be read.
    """
    try:
        submission = reading.read(file)
    except UnreadableSubmission:
        return False
    # not above: nbformat takes seconds of CPU to import, and each worker of a class would need them
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    about = {"lesson": lesson, "kind": "exercise"} | ({"variant": submission.variant} if submission.variant else {})
    notebook = new_notebook(metadata={"course": about})
    for tasks in load(paths.exercise(lesson)).files:
        if submission.app(tasks[0])[0] is None:
            continue
        cell = new_code_cell(submission.sources(tasks[0])[-1].encode(errors="replace").decode())
        cell.metadata["nbgrader"] = {
            "grade": False, "grade_id": tasks[0].cell, "locked": False, "schema_version": 3, "solution": True, "task": False,
        }  # fmt: skip
        notebook.cells.append(cell)
    if not notebook.cells:
        return False
    file.replace(file.with_name(file.name + REPLACED))
    nbformat.write(notebook, file)
    return True


def is_huge(file: Path) -> bool:
    """True for a notebook that nbgrader would take long for, or much memory."""
    return file.stat().st_size > HUGE_BYTES or file.read_bytes().count(b'"cell_type"') > HUGE_CELLS


def put_back(file: Path) -> None:
    """Undo `salvage`."""
    file.with_name(file.name + REPLACED).replace(file)


def describe(file: Path, exercise: Exercise) -> Notebook:
    """Read one notebook and compare it with what was released."""
    try:
        submission = reading.read(file)
    except UnreadableSubmission as broken:
        return Notebook(file, fault=f"can't be read: {str(broken).rstrip('.')}")
    if mistake := mistaken(submission, exercise):
        return Notebook(file, fault=mistake)
    answers = tuple(submission.app(task)[0] for task in exercise.tasks)
    changed = [
        (answer or "").strip() != _starter(exercise, task).strip()
        for answer, task in zip(answers, exercise.tasks, strict=True)
        if answer is not None
    ]
    return Notebook(file, answers, any(changed))


def mistaken(submission: Submission, exercise: Exercise) -> str:
    """Return what a notebook is if it isn't an answer to this exercise ("is ..."), or "".

    A notebook that has a cell of this exercise is one, whatever its metadata says.
    """
    if any(submission.app(task)[0] is not None for task in exercise.tasks) and submission.kind != "lesson":
        if submission.lesson in (None, exercise.lesson) or _has_ids(submission, exercise):
            return ""
    if submission.kind == "lesson":
        return f"is the walk-through of lesson {submission.lesson}, handed in for the exercise of {exercise.lesson}"
    if submission.lesson is not None and submission.lesson != exercise.lesson:
        return f"is the exercise of lesson {submission.lesson}, handed in for {exercise.lesson}"
    if not submission.cells:
        return "has no code cell"
    return ""


def _has_ids(submission: Submission, exercise: Exercise) -> bool:
    """True if a notebook has the cells of all tasks by their ids, though its metadata names another lesson."""
    names = {grade_id for grade_id, _ in submission.cells}
    return all(task.cell in names and task.item(task.parts[0]) in names for task in exercise.tasks)


def _starter(exercise: Exercise, task: Any) -> str:
    """Return the text of a task's file as it was released."""
    starter = exercise.answer_text(task, "starter").rstrip("\n")
    cell = (task.cell, f"{task.magic} {task.file}\n{starter}")
    return Submission(Path(task.file), exercise.lesson, "exercise", [cell]).app(task)[0] or ""


def _remark(other: Notebook, expected: Notebook | None) -> str:
    """Return a sentence on an extra notebook."""
    if other.fault:
        return f"{other.file.name} {other.fault}."
    if not other.done:
        return f"{other.file.name} is the exercise as it was released."
    if expected and expected.answers == other.answers:
        return f"{other.file.name} is a copy with the same answers."
    return f"{other.file.name} is a copy with other answers."


def _list(names: list[str]) -> str:
    """Return names joined with "and"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
