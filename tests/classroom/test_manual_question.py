"""A question in words, inside an exercise, that a person grades."""

import nbformat
from class_folder import FULL, LESSON, REFERENCE, TASK, fill_in, verdict
from helpers import nbgrader
from nbgrader.api import Gradebook

from autograder.classroom import grade_class, worker_pool

NAME = f"exercise_{LESSON}"


def test_manual_question_waits_and_counts(course, canned, capsys) -> None:
    """The answer waits for a person; their points are added to the judge's, and survive another run."""
    source = course / "source" / LESSON / f"{NAME}.ipynb"
    notebook = nbformat.read(source, 4)
    question = nbformat.v4.new_markdown_cell("Why does a thread help here? *Your answer*")
    question.metadata.nbgrader = {
        "grade": True, "grade_id": "why", "locked": False, "points": 4, "schema_version": 3, "solution": True, "task": False,
    }  # fmt: skip
    notebook.cells.append(question)
    nbformat.write(notebook, source)
    nbgrader(course, "generate_assignment", LESSON, "--force")
    fill_in(course, "ada", LESSON, {TASK.cell: f"%%app {TASK.file}\n{REFERENCE}", "why": "Reading a file blocks."})
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(1)}

    assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
    assert f"ada, {LESSON}: why" in capsys.readouterr().out
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        grade = book.find_grade("why", NAME, LESSON, "ada")
        assert (grade.max_score, grade.needs_manual_grade) == (4, True)
        grade.manual_score, grade.needs_manual_grade = 3, False
        book.db.commit()
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        submission = book.find_submission(LESSON, "ada")
        assert (submission.score, submission.max_score) == (FULL + 3, FULL + 4)
