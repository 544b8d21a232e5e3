"""Reports and exports: who is graded, who isn't and why, and files as Canvas and Moodle import them."""

import csv
import io
import json

import pytest
from class_folder import BROKEN_ITEM, EXERCISE, LESSON, REFERENCE, TASK, hand_in, verdict
from helpers import nbgrader
from nbgrader.api import Gradebook

from autograder.classroom import diagnoses_report, grade_class, report, worker_pool


@pytest.fixture
def graded(course, canned):
    """A class: ada is graded and late, bob's file is broken, cid's has no verdict, dan handed in nothing."""
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        book.update_or_create_student("ada", first_name="Ada", last_name="Lovelace, Countess", email="ada@example.org")
        book.update_or_create_student("dan", first_name="=cmd()", last_name="", email="dan@example.org")
        book.update_or_create_assignment(LESSON, duedate="2026-11-21 00:00:00 UTC")
    hand_in(course, "ada", REFERENCE, "2026-11-22 10:00:00 UTC")
    (course / "submitted" / "ada" / LESSON / "notes.ipynb").write_text("{")
    hand_in(course, "bob", REFERENCE).write_text("{")
    hand_in(course, "cid", REFERENCE)
    results = {"ada": verdict(1), "bob": {"items": [BROKEN_ITEM]}}
    canned.say = lambda job: {
        **worker_pool.undecided(job, "its workers ended."),
        **results.get(job.id.split("/")[0], {}),
    }
    assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
    return course


def printed(capsys, *arguments) -> str:
    """What a report prints."""
    capsys.readouterr()
    assert report.main(*arguments) == 0
    return capsys.readouterr().out


@pytest.mark.heavy
def test_report_has_everybodys_state(graded, capsys) -> None:
    """Graded, broken, without a verdict, and nothing handed in: each with its reason, in all forms."""
    rows = {row["student"]: row for row in json.loads(printed(capsys, str(graded), [], "json"))["students"]}
    assert {name: row["state"] for name, row in rows.items()} == {
        "ada": report.GRADED, "bob": report.NEEDS_A_PERSON, "cid": report.NEEDS_A_PERSON, "dan": report.NOTHING,
    }  # fmt: skip
    ada, bob, cid = rows["ada"], rows["bob"], rows["cid"]
    assert (ada["points"], ada["max_points"], ada["late"]) == (6, 6, 34 * 3600)
    assert ada["outcomes"] == {task.item(part): "pass" for task in EXERCISE.tasks for part in task.parts}
    assert "notes.ipynb can't be read" in ada["extra_files"][0]
    assert bob["points"] is None and "not JSON" in bob["why"] and bob["outcomes"] == {}
    assert cid["points"] is None and set(cid["outcomes"].values()) == {"no verdict"}
    text = printed(capsys, str(graded))
    assert "ada  graded, 6 of 6 points, 1 d 10 h late" in text and "not JSON" in text
    table = list(csv.DictReader(io.StringIO(printed(capsys, str(graded), [LESSON], "csv"))))
    assert [(row["student"], row["points"]) for row in table] == [("ada", "6"), ("bob", ""), ("cid", ""), ("dan", "")]


def test_canvas_gets_its_columns(graded, capsys) -> None:
    """The five identity columns, the line with points, blanks for what isn't settled, and no formula."""
    head, worth, *rows = csv.reader(io.StringIO(printed(capsys, str(graded), [], "canvas")))
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", LESSON]
    assert (worth[0].strip(), worth[-1]) == ("Points Possible", "6")
    assert [(row[0], row[3], row[-1]) for row in rows] == [
        ("Lovelace, Countess, Ada", "ada", "6"), ("bob", "bob", ""), ("cid", "cid", ""), ("dan", "dan", "0"),
    ]  # fmt: skip


def test_moodle_gets_its_columns(graded, capsys) -> None:
    """User name and mail address to map, and a name that a spreadsheet would run is made harmless."""
    head, *rows = csv.reader(io.StringIO(printed(capsys, str(graded), [], "moodle")))
    assert head == ["username", "firstname", "lastname", "email", LESSON]
    assert rows[0] == ["ada", "Ada", "Lovelace, Countess", "ada@example.org", "6"]
    assert rows[3] == ["dan", "'=cmd()", "", "dan@example.org", "0"]


def test_export_leaves_unsettled_points_blank(graded) -> None:
    """``nbgrader export``: a broken file isn't a failed exam, and a comma in a name moves no column."""
    nbgrader(graded, "export", "--to", "grades.csv")
    with open(graded / "grades.csv") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {name: row["score"] for name, row in rows.items()} == {"ada": "6.0", "bob": "", "cid": "", "dan": "0.0"}
    assert rows["ada"]["last_name"] == "Lovelace, Countess" and rows["ada"]["max_score"] == "6.0"


def test_unknown_lesson_is_refused(course, capsys) -> None:
    """The message names the lessons that there are."""
    assert report.main(str(course), ["77_else"]) == 2
    assert LESSON in capsys.readouterr().err


def tried(kind: str = "", outcome: str = "pass") -> list[dict[str, str]]:
    """A try at the exercise: its first item has an outcome, the second one passes."""
    first, second = (TASK.item(part) for part in TASK.parts)
    return [{"id": first, "outcome": outcome, "kind": kind}, {"id": second, "outcome": "pass", "kind": ""}]


def test_summary_counts_students_and_tries() -> None:
    """A student who meets a diagnosis twice counts once as a student, and passes with the third try."""
    blocked = tried("blocked", "fail")
    tries = {
        "ada": [blocked, blocked, tried()],
        "bob": [tried()],
        "cid": [tried("gil", "fail"), tried("", "error")],
        "dan": [],
    }
    found = diagnoses_report.summary(LESSON, "x", {TASK.item(part) for part in TASK.parts}, tries)
    assert (found.students, found.passed, found.tries, found.tries_to_pass) == (3, 2, 6, {1: 1, 3: 1})
    assert [(d.kind, d.students, d.tries) for d in found.diagnoses] == [
        ("blocked", 1, 2), ("gil", 1, 1), (diagnoses_report.NO_VERDICT, 1, 1),
    ]  # fmt: skip


def test_diagnoses_report_has_no_names(course, canned, capsys) -> None:
    """Two answers count as two tries, grading an answer again doesn't, and no format of the report names a student."""
    failed = verdict(0)
    for item in failed["items"]:
        item["kind"] = "blocked"
    results = [failed, verdict(1)]
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **results[0]}
    hand_in(course, "student_ada", REFERENCE)
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    assert grade_class.main(str(course), force=True) == grade_class.ALL_GRADED
    del results[0]
    hand_in(course, "student_ada", f"{REFERENCE}\n# again\n")
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    shown = {}
    for form in ("text", "json", "html"):
        capsys.readouterr()
        assert report.main(str(course), [LESSON], form, diagnoses=True) == 0
        shown[form] = capsys.readouterr().out
        assert "ada" not in shown[form]
    endpoint, *_ = json.loads(shown["json"])["endpoints"]
    assert (endpoint["students"], endpoint["tries"], endpoint["tries_to_pass"]) == (1, 2, {"2": 1})
    assert endpoint["diagnoses"] == [{"kind": "blocked", "students": 1, "tries": 1}]
    assert "1 of 1 student passed (1 with try 2)" in shown["text"] and "1 of 1 student passed" in shown["html"]
    assert shown["html"].count("data:image/png;base64,") == len(EXERCISE.tasks) and "<script" not in shown["html"]
    assert report.main(str(course), [], "canvas", diagnoses=True) == 2


def test_report_refuses_what_grading_refuses(graded, capsys) -> None:
    """A name with an escape and a lone surrogate ended the report, or reached the terminal; grading refuses such folders."""
    folder = graded / "submitted" / "ada" / LESSON
    (folder / "x\x1b[2J\udcff.ipynb").write_text("{")
    (graded / "submitted" / "e\x1b[2J" / LESSON).mkdir(parents=True)
    for form in report.FORMS:
        said = printed(capsys, str(graded), [], form)
        assert "\x1b" not in said and said.encode()


@pytest.mark.parametrize("start", ["", "a;", "a\t", "a\n", "\t", " ", "a; ", 'a;"'])
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_is_a_formula(start: str, sign: str) -> None:
    """Spreadsheets in many languages split lines at semicolons, so a formula may begin within a cell, too."""
    (line,) = csv.reader(io.StringIO(report._table([[f"{start}{sign}cmd()"]])))
    assert line == [f"{start}'{sign}cmd()"]
