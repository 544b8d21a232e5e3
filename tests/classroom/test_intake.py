"""Mistakes in submissions are recognised and reported. They're graded if the intention is clear, and listed otherwise."""

import shutil
from pathlib import Path

import nbformat
import pytest
from class_folder import (
    EXERCISE,
    FULL,
    LESSON,
    REFERENCE,
    STARTER,
    TASK,
    UNTOUCHED,
    fill_in,
    hand_in,
    of_student,
    scores,
    verdict,
)

from autograder import paths
from autograder.classroom import grade_class, intake, worker_pool

NAME = f"exercise_{LESSON}"


@pytest.fixture
def graded(course, canned, capsys):
    """Grade the class with verdicts that are made up, and return (exit code, everything that was printed)."""
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(1)}

    def run(*arguments, **options):
        code = grade_class.main(str(course), *arguments, **options)
        return code, "".join(capsys.readouterr())

    return run


def copy_of(file: Path, name: str) -> Path:
    """Copy a notebook under another name."""
    return Path(shutil.copy(file, file.with_name(name)))


def text_of(file: Path) -> str:
    """The text of the graded app in a notebook."""
    return "".join(cell.source for cell in nbformat.read(file, 4).cells if cell.source.startswith("%%app"))


@pytest.mark.heavy
def test_finished_copy_replaces_untouched_original(course, canned, graded) -> None:
    """If the original is untouched and the work is in ``-Copy1``, the copy is graded, and the original file stays."""
    file = hand_in(course, "ada", REFERENCE)
    file.rename(file.with_name(f"{NAME}-Copy1.ipynb"))
    fill_in(course, "ada", LESSON, {TASK.cell: f"%%app {TASK.file}\n{STARTER}".rstrip("\n"), **UNTOUCHED})
    code, said = graded()
    assert code == grade_class.ALL_GRADED and f"{NAME}-Copy1.ipynb is graded" in said
    assert canned.judged == [str(file)] and "to_thread" in text_of(file)
    assert file.with_name(f"{NAME}.ipynb.replaced").exists()
    assert graded()[0] == grade_class.ALL_GRADED and len(canned.judged) == 1


def test_renamed_notebook_is_graded(course, canned, graded) -> None:
    """The only notebook has another name, and is this lesson's exercise."""
    file = hand_in(course, "ada", REFERENCE)
    file.rename(file.with_name(f"{NAME} (1).ipynb"))
    code, said = graded()
    assert code == grade_class.ALL_GRADED and "is missing" in said
    assert scores(course) == {"ada": FULL}


def test_two_finished_copies_are_listed(course, graded) -> None:
    """If two copies have different answers, the one with the expected name is graded, and the run says that a person must look."""
    file = hand_in(course, "ada", REFERENCE)
    copy_of(file, f"{NAME}-Copy1.ipynb")
    hand_in(course, "ada", f"{REFERENCE}\n# another\n")
    for _ in range(2):  # the second run judges nothing, and lists it again
        code, said = graded()
        assert code == grade_class.NEED_A_PERSON
        assert f"{NAME}.ipynb was graded, and {NAME}-Copy1.ipynb with other answers came with it" in said


def test_different_copies_are_not_chosen(course, graded) -> None:
    """Two renamed files with different answers, and none with the right name."""
    file = hand_in(course, "ada", REFERENCE)
    copy_of(file, "one.ipynb")
    hand_in(course, "ada", f"{REFERENCE}\n# another\n").rename(file.with_name("two.ipynb"))
    code, said = graded()
    assert code == grade_class.NEED_A_PERSON and "one.ipynb and two.ipynb have different answers" in said


def test_identical_copy_is_fine(course, graded) -> None:
    """A backup copy is no reason to bother anybody."""
    copy_of(hand_in(course, "ada", REFERENCE), "backup.ipynb")
    assert graded()[0] == grade_class.ALL_GRADED
    found = intake.examine(course / "submitted" / "ada" / LESSON, NAME, LESSON)
    assert found.remarks == ["backup.ipynb is a copy with the same answers."]


OTHERS = {
    "lesson_01_sleeping.ipynb": "is the walk-through of lesson 01_sleeping, handed in for the exercise of 05_files",
    "exercise_01_sleeping.ipynb": "is the exercise of lesson 01_sleeping, handed in for 05_files",
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("renamed", [False, True])
def test_another_lessons_notebook_is_named(course, graded, monkeypatch, name: str, renamed: bool) -> None:
    """Under its own name or under the expected one: no points are taken, and the message says which lesson it is."""
    from autograder.classroom import grade

    file = hand_in(course, "ada", REFERENCE)
    file.unlink()
    target = file if renamed else file.with_name(name)
    shutil.copy(paths.NOTEBOOKS / name.split("_", 1)[1].removesuffix(".ipynb") / name, target)

    class Pool(grade_class.LocalPool):
        async def run(self, jobs, done):
            for job in jobs:
                done(job, grade.asdict(await grade.grade(job.file, None, job.lesson)))

    monkeypatch.setattr(grade_class, "LocalPool", Pool)
    code, said = graded()
    assert code == grade_class.NEED_A_PERSON and OTHERS[name] in said
    if renamed:
        assert of_student(course, "ada") == (0, True), "it waits for a person; it isn't a zero"


def test_empty_file_is_named(course, graded, canned) -> None:
    """Nothing was saved: the message says that, not that the file isn't JSON."""
    hand_in(course, "ada", REFERENCE).write_text("")
    canned.say = lambda job: worker_pool.undecided(job, "")
    from autograder.classroom import grade, submission

    with pytest.raises(submission.UnreadableSubmission, match="file is empty"):
        submission.read(course / "submitted" / "ada" / LESSON / f"{NAME}.ipynb")
    assert grade.WrongNotebook.outcome == "error"


def change(course: Path, student: str, **changes) -> None:
    """Hand in the reference with other metadata, or None to delete a cell, by grade_id."""
    file = hand_in(course, student, REFERENCE)
    notebook = nbformat.read(file, 4)
    cells = []
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in changes and changes[name] is None:
            continue
        if name in changes:
            cell.metadata.nbgrader.update(changes[name])
        cells.append(cell)
    notebook.cells = cells
    nbformat.write(notebook, file)


def test_changed_cells_are_restored(course, graded) -> None:
    """Notebooks with changed cells are restored and graded. (nbgrader's own step fails on them with a KeyError.)"""
    change(course, "answer_renamed", document={"grade_id": "mine"})
    change(course, "test_renamed", document_answers={"grade_id": "mine"})
    change(course, "answer_worth_points", document={"grade": True, "points": 99})
    change(course, "all_deleted", document=None, document_answers=None, document_concurrency=None)
    code, said = graded()
    assert code == grade_class.ALL_GRADED, said
    assert set(scores(course).values()) == {FULL} and len(scores(course)) == 4
    graded_file = course / "autograded" / "answer_renamed" / LESSON / f"{NAME}.ipynb"
    answer, *_ = [c for c in nbformat.read(graded_file, 4).cells if c.metadata.get("nbgrader", {}).get("solution")]
    assert answer.metadata.nbgrader.grade_id == TASK.cell and "to_thread" in answer.source


def test_log_has_no_noise(course, graded) -> None:
    """Hidden tests are put back into each notebook: that's no change by the student. A changed test is one."""
    hand_in(course, "ada", REFERENCE)
    file = hand_in(course, "bob", REFERENCE)
    notebook = nbformat.read(file, 4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "pass"
    nbformat.write(notebook, file)
    assert graded()[0] == grade_class.ALL_GRADED
    logs = course / ".grading" / "logs" / LESSON
    assert "WARNING" not in (logs / "ada.log").read_text()
    assert (logs / "bob.log").read_text().count("has changed!") == 2 * len(EXERCISE.tasks)


def test_log_has_the_gradebooks_points(course, graded) -> None:
    """A teacher made the exercise worth 30 points: the log doesn't speak of the 3 in exercise.toml."""
    from nbgrader.api import Gradebook

    hand_in(course, "ada", REFERENCE)
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        for cell in book.find_notebook(NAME, LESSON).grade_cells:
            cell.max_score *= 10
        book.db.commit()
    graded()
    log = (course / ".grading" / "logs" / LESSON / "ada.log").read_text()
    assert "60 of 60 points" in log and "document_concurrency: 20 of 20" in log


def test_waiting_cells_are_not_graded(course, graded) -> None:
    """A person must still score a cell: that's listed, and the exit code says so, also when nothing is judged again."""
    from nbgrader.api import Gradebook

    hand_in(course, "ada", REFERENCE)
    assert graded()[0] == grade_class.ALL_GRADED
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        book.find_grade(TASK.item("answers"), NAME, LESSON, "ada").needs_manual_grade = True
        book.db.commit()
    code, said = graded()
    assert code == grade_class.NEED_A_PERSON and "All are graded" not in said
    assert "1 wait for manual grading" in said and "ada, 05_files: document_answers" in said


def test_mistyped_lesson_is_corrected(course, graded) -> None:
    """The message names the lesson that was meant, and doesn't advise to generate one that doesn't exist."""
    code, said = graded(["05_flies"])
    assert code == grade_class.BAD_INPUT and "Did you mean 05_files?" in said and "generate" not in said
    code, said = graded(["01_sleeping"])
    assert code == grade_class.BAD_INPUT and "nbgrader generate_assignment 01_sleeping" in said


@pytest.mark.parametrize("renamed", [False, True])
def test_stated_lesson_is_shown_safely(course, graded, renamed: bool) -> None:
    """Odd lesson names in a notebook are printed safely: a lone surrogate doesn't end the run, and escapes are removed."""
    import json

    file = hand_in(course, "ada", REFERENCE)
    notebook = json.loads(file.read_text())
    notebook["metadata"]["course"]["lesson"] = "\ud800\x1b[2J\nada: all points" + "x" * 100_000
    for cell in notebook["cells"]:
        cell["metadata"].get("nbgrader", {}).pop("grade_id", None)
    if renamed:
        file.rename(file.with_name("other.ipynb")).write_text(json.dumps(notebook))
    else:
        copy_of(file, f"{NAME}-Copy1.ipynb")
        file.write_text(json.dumps(notebook))
    hand_in(course, "bob", REFERENCE)
    code, said = graded()
    assert code in (grade_class.ALL_GRADED, grade_class.NEED_A_PERSON) and scores(course)["bob"] == FULL
    assert "\x1b" not in said and "\nada: all points" not in said and len(said) < 10_000
    said.encode()
