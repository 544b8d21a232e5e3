"""./course class grade writes a class's grades into nbgrader's gradebook, even after kills, damage and a full disk."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import capabilities
import nbformat
import pytest
import sqlalchemy
from class_folder import (
    BROKEN_ITEM,
    FULL,
    LESSON,
    REFERENCE,
    STARTER,
    TASK,
    fill_in,
    hand_in,
    of_student,
    scores,
    verdict,
)
from helpers import until
from nbgrader.api import Gradebook

from autograder import paths
from autograder.benchmarks import class_grading
from autograder.classroom import cache_keys, grade_class, report, worker_pool, writer
from autograder.classroom.nbgrader import gradebook
from autograder.classroom.nbgrader.preprocessors import SaveVerdicts
from autograder.classroom.verdict_cache import Store
from autograder.judge.spec.exercise import load
from autograder.programs.procfs import descendants


def command(course, *more):
    return [sys.executable, str(paths.ROOT / "course"), "class", "grade", str(course), *more, "--workers", "2"]


def run(course, *more, **environment):
    done = subprocess.run(
        command(course, *more),
        env={**class_grading.environment(), **environment},
        capture_output=True,
        text=True,
        timeout=500,
    )
    return done.returncode, done.stdout, done.stderr


def graded(course, *more, attempts=5):
    """Grade a class like `run`, again for what a busy machine left undecided: an ERROR is tried again at each run."""
    for _ in range(attempts):
        code, out, err = run(course, *more)
        if code != grade_class.NEED_A_PERSON:
            break
    return code, out, err


def judged(course):
    """Return the number of cached verdicts."""
    with sqlite3.connect(course / ".grading" / "verdicts.sqlite3") as base:
        return base.execute("SELECT count(*) FROM verdicts").fetchone()[0]


def test_class_is_graded_once(course):
    """A class is graded once; only a new submission is judged again, and a broken file waits for a person."""
    hand_in(course, "ada", REFERENCE)
    hand_in(course, "bob", STARTER)
    hand_in(course, "cid", "").write_text("{")
    file = hand_in(course, "dan", REFERENCE)
    notebook = nbformat.read(file, 4)
    notebook.cells = [cell for cell in notebook.cells if not cell.metadata.get("nbgrader", {}).get("grade")]
    nbformat.write(notebook, file)
    code, out, err = run(course)
    assert code == grade_class.NEED_A_PERSON, err
    assert (
        "1 need a person" in out
        and "cid" in out
        and "not JSON" in out
        and f"Isolation: {capabilities.best_level()}" in out
    )
    got = scores(course)
    # who deleted the tests is judged all the same
    assert (got["ada"], got["bob"], got["dan"]) == (3, 1, 3)
    log = (course / ".grading" / "logs" / LESSON / "bob.log").read_text()
    assert "FAIL  document_concurrency" in log
    graded = nbformat.read(course / "autograded" / "ada" / LESSON / f"exercise_{LESSON}.ipynb", 4)
    assert graded.metadata.graded.isolation == capabilities.best_level()

    code, out, _ = run(course)
    assert "3 graded before, 0 to be judged" in out and code == grade_class.NEED_A_PERSON

    # the file is handed in anew: only that one is judged
    hand_in(course, "cid", f"{REFERENCE}\n# at last\n")
    code, out, _ = run(course)
    assert (code, scores(course)["cid"]) == (grade_class.ALL_GRADED, 3)
    assert "3 graded before, 1 to be judged" in out


@pytest.mark.heavy
def test_manual_score_survives_regrading(course):
    """A manual score and a comment survive regrading, and lateness is counted."""
    hand_in(course, "ada", STARTER, "2026-11-20 10:00:00 UTC")
    assert graded(course)[0] == grade_class.ALL_GRADED
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        book.update_or_create_assignment(LESSON, duedate="2026-11-21 00:00:00 UTC")
        grade = book.find_grade("document_concurrency", f"exercise_{LESSON}", LESSON, "ada")
        grade.manual_score = 1.5
        book.find_comment(TASK.cell, f"exercise_{LESSON}", LESSON, "ada").manual_comment = "almost"
        book.db.commit()
    hand_in(course, "ada", REFERENCE, "2026-11-22 10:00:00 UTC")
    # the manually scored item waits for a second look
    assert graded(course)[0] == grade_class.NEED_A_PERSON
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        grade = book.find_grade("document_concurrency", f"exercise_{LESSON}", LESSON, "ada")
        assert (grade.auto_score, grade.manual_score, grade.needs_manual_grade) == (2, 1.5, True)
        assert book.find_comment(TASK.cell, f"exercise_{LESSON}", LESSON, "ada").comment == "almost"
        assert book.find_submission(LESSON, "ada").total_seconds_late == 34 * 3600


@pytest.mark.heavy
def test_killed_run_resumes(course):
    """After the coordinator or workers are killed with SIGKILL, the next run doesn't judge again what was judged."""
    for number in range(4):
        hand_in(course, f"s{number}", f"{REFERENCE}\n# {number}\n")
    # one that takes its time to be judged: it is not done when the others are
    never = REFERENCE.replace("token: str):", "token: str):\n    await asyncio.sleep(3600)")
    assert never != REFERENCE
    hand_in(course, "slow", f"import asyncio\n{never}")
    process = subprocess.Popen(
        command(course), env=class_grading.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until(lambda: kept(course) >= 1, 400)
    process.kill()
    process.wait()
    before = stamps(course)
    assert before
    process = subprocess.Popen(
        command(course), env=class_grading.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for victim in until(lambda: workers(process.pid), 200)[:1]:
        os.kill(victim, signal.SIGKILL)
    assert process.wait(400) in (grade_class.ALL_GRADED, grade_class.NEED_A_PERSON)
    assert graded(course)[0] == grade_class.ALL_GRADED
    assert scores(course) == {"slow": 0, **{f"s{number}": 3 for number in range(4)}}
    after = stamps(course)
    assert len(after) == 5 and before.items() <= after.items()


@pytest.mark.heavy
def test_killed_databases_cost_no_points(tmp_path):
    """Servers of PostgreSQL are killed with -9 while answers that ask them are judged."""
    lesson = "03_databases"
    course = class_grading.make_class(tmp_path / "tea103", lesson, 0)
    exercise = load(paths.SOLUTIONS / lesson)
    for number in range(3):
        answers = {
            task.cell: f"%%app {task.file}\n{reference_of(exercise, task)}\n# {number}\n" for task in exercise.tasks
        }
        fill_in(course, f"s{number}", lesson, answers)
    process = subprocess.Popen(
        command(course), env=class_grading.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    killed = {}
    while process.poll() is None and len(killed) < 2:
        for worker in workers(process.pid):
            # one that serves: it has the processes that PostgreSQL keeps for itself, and somebody is connected
            for server in databases(worker) - set(killed):
                # an item is tried three times, and a busy machine may need the others
                if len(descendants(server)) > 6 and worker not in killed.values():
                    os.kill(server, signal.SIGKILL)
                    killed[server] = worker
        time.sleep(0.05)
    assert len(killed) >= 2, "too little was killed to say anything"
    assert process.wait(500) in (grade_class.ALL_GRADED, grade_class.NEED_A_PERSON)
    assert graded(course)[0] == grade_class.ALL_GRADED
    most = sum(sum(task.points.values()) for task in exercise.tasks)
    assert scores(course, lesson) == {f"s{number}": most for number in range(3)}


def reference_of(exercise, task):
    return exercise.answer_file(task, "reference").read_text()


def databases(root):
    """The process ids of PostgreSQL's servers below a process."""
    found = set()
    for pid in descendants(root):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]) == b"postgres" and b"-D" in words:
            found.add(pid)
    return found


def kept(course):
    try:
        with sqlite3.connect(f"file:{course}/.grading/verdicts.sqlite3?mode=ro", uri=True) as base:
            return base.execute("SELECT count(*) FROM verdicts").fetchone()[0]
    except sqlite3.OperationalError:
        # its owner holds it: what is written into nbgrader's folder was kept before
        return len(list((course / "autograded").glob("*/*/*.ipynb")))


def stamps(course):
    with sqlite3.connect(course / ".grading" / "verdicts.sqlite3") as base:
        return {key: json.loads(result)["seconds"] for key, result in base.execute("SELECT key, result FROM verdicts")}


def workers(root):
    found = []
    for pid in [root, *descendants(root)]:
        try:
            if b"classroom.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            pass
    return found


@pytest.mark.heavy
def test_full_disk_stops_the_run(course, tmp_path, monkeypatch, capsys):
    """A full disk stops the run with a message; the next run goes on and grades everything."""
    hand_in(course, "ada", REFERENCE)

    def full(self, key, result):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "keep", full)
        assert grade_class.main(str(course), workers=1) == grade_class.STOPPED
    assert "disk is full" in capsys.readouterr().err
    assert grade_class.main(str(course), workers=1) == grade_class.ALL_GRADED
    assert scores(course) == {"ada": 3}


@pytest.mark.heavy
def test_half_written_grade_is_redone(course, monkeypatch):
    """A grade that was rewritten only in part, because the run stopped between nbgrader's two steps, is written again."""
    hand_in(course, "ada", REFERENCE)
    assert grade_class.main(str(course), workers=1) == grade_class.ALL_GRADED
    graded = course / "autograded" / "ada" / LESSON / f"exercise_{LESSON}.ipynb"
    whole = outputs(graded)
    assert whole

    def half(self, student):
        notebook = nbformat.read(graded, 4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        nbformat.write(notebook, graded)
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(writer.Writer, "write", half)
        assert grade_class.main(str(course), workers=1, force=True) == grade_class.STOPPED
    assert grade_class.main(str(course), workers=1) == grade_class.ALL_GRADED
    assert outputs(graded) == whole


def outputs(file):
    """What the cells of a notebook show, as text, but for pictures: a race that is run again takes another time."""
    return [
        str([output for output in cell.outputs if output.output_type != "display_data"])
        for cell in nbformat.read(file, 4).cells
        if cell.get("outputs")
    ]


def test_workers_keep_the_level(course, monkeypatch):
    """A verdict is cached under the level that the run found: no worker may grade with less."""
    hand_in(course, "ada", REFERENCE)
    levels = []

    class Pool(worker_pool.LocalPool):
        def __init__(self, workers, isolation, log, **more):
            super().__init__(workers, isolation, log, **more)
            levels.append(isolation)

        async def run(self, jobs, done):
            raise worker_pool.JobRefused("it was only asked")

    monkeypatch.setattr(grade_class, "LocalPool", Pool)
    assert grade_class.main(str(course)) == grade_class.BAD_INPUT
    assert levels == [capabilities.best_level()]


def test_broken_file_is_left_alone(course, canned, capsys, monkeypatch):
    """Unchanged, it's neither judged nor converted again, and still listed with its page; changed, it's graded."""
    file = hand_in(course, "ada", REFERENCE)
    good = file.read_text()
    file.write_text("{")
    canned.say = lambda job: {**worker_pool.undecided(job, ""), "items": [BROKEN_ITEM]}
    converted = []
    real = writer.Writer.write
    monkeypatch.setattr(writer.Writer, "write", lambda self, student: converted.append(student) or real(self, student))
    page = course / "feedback" / "ada" / LESSON / f"exercise_{LESSON}.html"
    for _ in range(2):
        assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
        assert "ada, 05_files: Not graded: not JSON." in capsys.readouterr().out
        assert page.is_file() and len(converted) == len(canned.judged) == 1
    file.write_text(good)
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(1)}
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    assert len(converted) == 2 and not page.exists()


def test_json_events_cover_the_run(course, canned, capsys):
    """The JSON events name what is judged, each result, the submissions that need a person, and the exit code."""
    hand_in(course, "ada", REFERENCE)
    hand_in(course, "bob", STARTER)
    results = {"ada": verdict(1)}
    canned.say = lambda job: {**worker_pool.undecided(job, "why not"), **results.get(job.id.split("/")[0], {})}
    assert grade_class.main(str(course), as_json=True) == grade_class.NEED_A_PERSON
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [event["event"] for event in events]
    assert names[:2] == ["isolation", "lesson"] and names[-1] == "end"
    assert (events[1]["submissions"], events[1]["to_judge"]) == (2, 2)
    done = {event["student"]: event["items"] for event in events if event["event"] == "done"}
    assert [item["outcome"] for item in done["ada"]] == ["pass"] * len(verdict(1)["items"]) and set(done) == {
        "ada",
        "bob",
    }
    assert events[-1]["exit_code"] == grade_class.NEED_A_PERSON
    assert [(who["student"], who["lesson"]) for who in events[-1]["needs_a_person"]] == [("bob", LESSON)]


def test_only_one_coordinator_runs(course, capsys):
    """A second coordinator for the same course is refused."""
    (course / ".grading").mkdir()
    store = Store(course / ".grading" / "verdicts.sqlite3")
    assert grade_class.main(str(course)) == grade_class.BAD_INPUT
    assert "Another run" in capsys.readouterr().err
    store.close()


def writer_of(course, verdict):
    return gradebook.Writer.of(
        gradebook.Course(course), LESSON, lambda file, lesson: verdict(Path(file).parent.parent.name)
    )


def test_failed_step_leaves_no_grade(course, monkeypatch):
    """The gradebook stays open from one student to the next; what a step has not committed does not."""
    for student in ("ada", "bob", "cid"):
        hand_in(course, student, REFERENCE)
    writer = writer_of(course, lambda student: verdict(1))
    real = SaveVerdicts._add_score

    def fails(self, cell, resources):
        if self.student_id != "bob":
            return real(self, cell, resources)
        name = cell.metadata["nbgrader"]["grade_id"]
        self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, "bob").auto_score = 2
        self.gradebook.db.flush()
        raise RuntimeError("in the middle")

    monkeypatch.setattr(SaveVerdicts, "_add_score", fails)
    writer.write("ada")
    with pytest.raises(gradebook.NbGraderException):
        writer.write("bob")
    assert not (course / "autograded" / "bob" / LESSON).exists()
    writer.write("cid")
    assert scores(course) == {"ada": FULL, "bob": 0, "cid": FULL}


def test_restored_gradebook_is_written(course):
    """After the gradebook's file is replaced, grades go into the new file."""
    for student in ("ada", "bob"):
        hand_in(course, student, REFERENCE)
    writer = writer_of(course, lambda student: verdict(1))
    writer.write("ada")
    file = course / "gradebook.db"
    file.with_suffix(".copy").write_bytes(file.read_bytes())
    file.with_suffix(".copy").replace(file)
    writer.write("bob")
    assert scores(course) == {"ada": FULL, "bob": FULL}


def test_metadata_refused_like_nbgrader(course):
    """Metadata that nbgrader refuses is refused by our writer too."""

    def locked(cell):
        cell.metadata.nbgrader["locked"] = "yes"

    def surplus(cell):
        cell.metadata.nbgrader["more"] = 1

    def source(cell):
        cell.source = 5

    for student, change in (("ada", locked), ("bob", surplus), ("cid", source)):
        file = hand_in(course, student, REFERENCE)
        notebook = json.loads(file.read_text(), object_hook=nbformat.from_dict)
        change(next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")))
        file.write_text(json.dumps(notebook))
    writer = writer_of(course, lambda student: verdict(1))
    for student in ("ada", "bob", "cid"):
        with pytest.raises(gradebook.NbGraderException):
            writer.write(student)


def test_wrong_course_or_lesson_refused(tmp_path, course, capsys):
    """A folder that is no course, or a lesson that doesn't exist, is refused with a message."""
    assert grade_class.main(str(tmp_path)) == grade_class.BAD_INPUT
    assert grade_class.main(str(course), ["77_else"]) == grade_class.BAD_INPUT
    assert "There is no lesson '77_else'" in capsys.readouterr().err


def test_too_little_isolation_grades_nothing(course):
    hand_in(course, "ada", REFERENCE)
    code, _, err = run(course, "--isolation", "required", COURSE_ISOLATION_CEILING="limits")
    assert code == grade_class.BAD_INPUT and "does not offer" in err
    assert scores(course) == {}


def test_job_that_kills_workers_waits(tmp_path, monkeypatch):
    """A job that kills its workers waits for a person; the other jobs are graded."""
    started = []

    class Fragile:
        sentence, late = "", False

        @classmethod
        async def start(cls, isolation, log, probed):
            started.append(1)
            return cls()

        async def grade(self, job):
            return None if job.id == "bad" else {"items": []}

        async def end(self):
            pass

    monkeypatch.setattr(worker_pool, "Worker", Fragile)
    told = {}
    jobs = [worker_pool.Job(name, name, LESSON) for name in ("a", "bad", "c")]
    asyncio.run(
        worker_pool.LocalPool(1, "none", tmp_path / "log").run(jobs, lambda job, result: told.update({job.id: result}))
    )
    assert (
        set(told) == {"a", "bad", "c"} and writer.without_verdict(told["bad"]) and not writer.without_verdict(told["a"])
    )
    assert len(started) == 3


@pytest.mark.heavy
def test_unjudged_item_has_no_score(course, canned):
    """An item without a verdict has no score. (nbgrader gives all points to a graded cell without output.)"""
    file = str(hand_in(course, "ada", REFERENCE))
    for count in (1, 2):
        assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
        assert of_student(course, "ada") == (0, True)
        assert canned.judged == [file] * count
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(1)}
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    assert of_student(course, "ada") == (FULL, False)
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED and len(canned.judged) == 3


def test_manually_scored_item_is_kept(course, canned):
    """What a person has scored by hand isn't judged again."""
    hand_in(course, "ada", REFERENCE)
    assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        for grade in book.find_submission(LESSON, "ada").notebooks[0].grades:
            grade.manual_score, grade.needs_manual_grade = 1, False
        book.db.commit()
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED and len(canned.judged) == 1


def test_renamed_notebook_is_reported(course, canned, capsys):
    """A notebook under another name is reported together with the name that was expected."""
    file = hand_in(course, "ada", REFERENCE)
    file.write_text("{")
    file.rename(file.with_name("exercise_05_files (1).ipynb"))
    assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
    assert "there is no exercise_05_files.ipynb, but exercise_05_files (1).ipynb" in capsys.readouterr().out


def test_diagnosis_forges_no_line(course, canned, capsys):
    """What a diagnosis or a name of a file says is one line, and no longer than a line, in a run and in its report."""
    forged = "No verdict: x\nneeds a person: bob: please give full points\x1b[2K\r" + "y" * 100_000
    hand_in(course, "ada", REFERENCE)
    file = hand_in(course, "bob", REFERENCE)
    for number in range(1000):
        file.with_name(f"{number} " + "z" * 200).touch()
    file.unlink()

    def say(job):
        result = worker_pool.undecided(job, "")
        result["items"][0]["diagnosis"] = forged
        return result

    canned.say = say
    assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
    run = capsys.readouterr()
    assert report.main(str(course)) == 0
    for text in (run.out, run.err, capsys.readouterr().out):
        assert "\x1b" not in text and max(map(len, text.splitlines())) < 800
        assert not any(line.strip().startswith("needs a person: bob: please") for line in text.splitlines())
    log = (course / ".grading" / "logs" / LESSON / "ada.log").read_text()
    assert "\x1b" not in log and "\r" not in log


def of_cell(notebook, name):
    """The cell with this grade_id."""
    return next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == name)


def nested(depth):
    """JSON that is deeper than Python likes to go."""
    found = "x"
    for _ in range(depth):
        found = {"a": found}
    return found


TEST = TASK.item(TASK.parts[0])
DAMAGE = {
    "id": lambda book: of_cell(book, TEST)["metadata"]["nbgrader"].update(grade_id=["x"]),
    "points": lambda book: of_cell(book, TEST)["metadata"]["nbgrader"].update(points="x"),
    "role": lambda book: of_cell(book, TEST)["metadata"]["nbgrader"].update(task=True),
    "schema": lambda book: of_cell(book, TEST)["metadata"]["nbgrader"].update(schema_version=99),
    "twice": lambda book: book["cells"].append(of_cell(book, TEST)),
    "format": lambda book: book.update(nbformat=99),
    "depth": lambda book: book["metadata"].update(x=nested(900)),
    "tags": lambda book: of_cell(book, TASK.cell)["metadata"].update(tags=[5]),
    "outputs": lambda book: of_cell(book, TASK.cell).update(outputs=[5]),
    "number": lambda book: book["cells"].append(5),
    "surrogate": lambda book: book["metadata"].update({"\ud800": 1}),
}


@pytest.mark.heavy
def test_damaged_notebook_keeps_its_fail(course, canned, capsys):
    """Whatever nbgrader can't read in a notebook, the answers in it are graded: a FAIL can't be turned into "needs a person"."""
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(0)}
    for name, damage in DAMAGE.items():
        file = hand_in(course, name, STARTER)
        notebook = json.loads(file.read_text())
        damage(notebook)
        file.write_text(json.dumps(notebook))
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED, capsys.readouterr()
    assert scores(course) == dict.fromkeys(DAMAGE, 0)
    assert sum("into a fresh one" in line for line in capsys.readouterr().out.splitlines()) == len(DAMAGE)
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED and len(canned.judged) == len(DAMAGE)


@pytest.mark.heavy
def test_huge_notebook_delays_no_student(course, canned, capsys):
    """nbgrader copies and validates each cell a dozen times, so it gets a notebook with only the answers. The file stays."""
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(1)}
    for name, count, size in (("cells", 20_000, 1), ("bytes", 1, 31 << 20)):
        file = hand_in(course, name, REFERENCE)
        notebook = nbformat.read(file, 4)
        notebook.cells += [nbformat.v4.new_markdown_cell("x" * size, id=f"n{number}") for number in range(count)]
        nbformat.write(notebook, file)
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    assert capsys.readouterr().out.count("is huge, so its answers were put into a fresh one") == 2
    assert scores(course) == {"cells": FULL, "bytes": FULL}
    assert all(file.stat().st_size < 100_000 for file in (course / "autograded").rglob("*.ipynb"))
    assert len(list((course / "submitted").rglob("*.replaced"))) == 2


@pytest.mark.heavy
def test_other_alphabets_stop_nothing(course, canned):
    """A name that the terminal can't show is printed in another way; it ended the run for the whole class."""
    hand_in(course, "\u5f20\u4f1f", REFERENCE).write_text("{")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(paths.ROOT)}
    for words in (["grade"], ["report"]):
        run = subprocess.run(
            [sys.executable, "-m", "autograder", "class", *words, str(course)], env=environment, capture_output=True
        )
        assert b"\\u5f20" in run.stdout and b"Traceback" not in run.stderr, run.stderr


def test_links_wait_for_a_person(course, canned, capsys):
    """Submissions with links need a person: nbgrader would grade or publish a link's target as the student's own work."""
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(3)}
    theirs = hand_in(course, "alice", REFERENCE)
    hand_in(course, "bob", STARTER).with_name("notes.txt").symlink_to(course / "gradebook.db")
    mine = hand_in(course, "mallory", STARTER)
    mine.unlink()
    mine.symlink_to(theirs)
    (course / "submitted" / "trudy").symlink_to(course / "submitted" / "alice")
    assert grade_class.main(str(course)) == grade_class.NEED_A_PERSON
    said = capsys.readouterr().out
    assert "3 need a person" in said and said.count("symbolic link") >= 3
    assert canned.judged == [str(theirs)] and set(scores(course)) == {"alice"}
    assert not [file for file in (course / "autograded").rglob("*") if "alice" not in file.parts and file.is_file()]


def test_locked_gradebook_stops_the_run(course, canned, capsys, monkeypatch):
    """A locked gradebook stops the run with a message that says why."""
    hand_in(course, "ada", REFERENCE)

    def locked(*_):
        raise sqlalchemy.exc.OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr(SaveVerdicts, "_add_score", locked)
    assert grade_class.main(str(course)) == grade_class.STOPPED
    assert "database is locked" in capsys.readouterr().err


def test_empty_class_is_not_graded(course, capsys):
    """Without submissions nothing is graded, and the message says where they belong."""
    assert grade_class.main(str(course)) == grade_class.BAD_INPUT
    assert f"{course}/submitted/STUDENT/LESSON" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("c = get_config(", "does not run: SyntaxError"),
        ("c = get_config()\nc.Autograde.autograde_preprocessors = []", "without JudgePreprocessor"),
    ],
)
def test_wrong_configuration_is_reported(course, capsys, config, said):
    """A configuration that can't grade is refused with a message that says why."""
    (course / "nbgrader_config.py").write_text(config)
    assert grade_class.main(str(course)) == grade_class.BAD_INPUT
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("argument", "ceiling"), [("namespace", ""), ("none", "walls")])
def test_unknown_level_is_refused(course, capsys, monkeypatch, argument, ceiling):
    """An isolation level that doesn't exist is refused with a message."""
    monkeypatch.setenv("COURSE_ISOLATION_CEILING", ceiling)
    hand_in(course, "ada", REFERENCE)
    assert grade_class.main(str(course), isolation=argument) == grade_class.BAD_INPUT
    assert "There is no level of isolation" in capsys.readouterr().err


def test_brackets_in_path_are_refused(course, capsys):
    """A course folder with brackets in its path is refused, because nbgrader reads them as a pattern."""
    folder = course.rename(course.with_name("tea [2026]"))
    assert grade_class.main(str(folder)) == grade_class.BAD_INPUT
    assert "without [ ]" in capsys.readouterr().err


def test_cache_key_covers_what_counts(course):
    """A cache key changes with the answers and the isolation level, and not with a remark."""
    file = hand_in(course, "ada", REFERENCE)
    key = cache_keys.of_submission(file, LESSON, "namespaces")
    notebook = nbformat.read(file, 4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("a remark"))
    nbformat.write(notebook, file)
    assert cache_keys.of_submission(file, LESSON, "namespaces") == key
    assert cache_keys.of_submission(file, LESSON, "limits") != key
    hand_in(course, "ada", REFERENCE + "\nx = 1\n")
    assert cache_keys.of_submission(file, LESSON, "namespaces") != key


TEACHERS = """
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION
"""


@pytest.mark.heavy
def test_own_notebook_graded_in_sandbox(course):
    """A teacher's own notebook is graded in a sandboxed kernel, with a warning."""

    def cell(source, grade_id, points=None):
        about = {"grade": bool(points), "grade_id": grade_id, "locked": bool(points), "schema_version": 3}
        about |= {"solution": not points, "task": False, **({"points": points} if points else {})}
        return nbformat.v4.new_code_cell(source, metadata={"nbgrader": about})

    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    look = "import os\nseen = [p for p in %r if os.path.exists(p)]" % [str(course), str(paths.SOLUTIONS)]
    notebook.cells = [
        cell(TEACHERS.strip(), "double"),
        cell("assert double(2) == 4", "right", 2),
        cell(
            f"{look}\nassert not seen, seen\n### BEGIN HIDDEN TESTS\nassert double(3) == 6, 'psst'\n### END HIDDEN TESTS",
            "hidden",
            3,
        ),
    ]
    (course / "source" / "own").mkdir()
    nbformat.write(notebook, course / "source" / "own" / "own.ipynb")

    def nbgrader(*words):
        subprocess.run(
            [sys.executable, "-m", "nbgrader", *words],
            cwd=course,
            env=class_grading.environment(),
            check=True,
            capture_output=True,
        )

    nbgrader("generate_assignment", "own")
    for student, body in (("ada", "return x + x"), ("bob", "return 4")):
        handed = nbformat.read(course / "release" / "own" / "own.ipynb", 4)
        handed.cells[0].source = f"def double(x):\n    {body}"
        (course / "submitted" / student / "own").mkdir(parents=True)
        nbformat.write(handed, course / "submitted" / student / "own" / "own.ipynb")
    code, out, err = graded(course, "own")
    assert code == grade_class.ALL_GRADED, out + err
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        assert {s.student.id: s.score for s in book.find_assignment("own").submissions} == {"ada": 5, "bob": 2}
    log = (course / ".grading" / "logs" / "own" / "ada.log").read_text()
    assert "not of this course" in log and "WARNING" in log
    nbgrader("generate_feedback", "own")
    page = (course / "feedback" / "bob" / "own" / "own.html").read_text()
    assert "a hidden test did not pass" in page and "psst" not in page and "HIDDEN TESTS" not in page


@pytest.mark.cluster
@pytest.mark.heavy
def test_cluster_survives_a_killed_worker(course):
    """A Dask cluster whose two workers have separate networks grades everything, though one is killed with its batch."""
    files = [str(hand_in(course, f"s{number}", f"{REFERENCE}\n# {number}\n")) for number in range(4)]
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    session = [sys.executable, str(Path(__file__).with_name("cluster_session.py")), LESSON, *files]
    done = subprocess.run(
        ["unshare", *user, "--net", *session],
        env={
            **(env := class_grading.environment()),
            "PYTHONPATH": f"{env.get('PYTHONPATH', '')}{os.pathsep}{paths.ROOT / 'tests'}",
        },
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(files, 3)
