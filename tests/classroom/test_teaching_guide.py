"""The commands of docs/teaching.md, run as they are written; and nbgrader's own mechanisms that the page points to."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from class_folder import EXERCISE, FULL, LESSON, REFERENCE, hand_in, verdict
from helpers import answered, nbgrader

from autograder import paths
from autograder.classroom import grade_class, report, worker_pool

PAGE = (paths.ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in their order."""
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def environment(home: Path) -> dict[str, str]:
    """A user's environment in which nothing is configured, with the programs of this Python on PATH."""
    names = {name: str(home / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    ours = {"HOME": str(home), "PATH": path, "PYTHONPATH": str(paths.ROOT), "COURSE_ENVIRONMENT": "ready"}
    return {**os.environ, **names, **ours}


def run(line: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the page as a shell would, in a folder."""
    words = [word.replace("~", str(home)) for word in shlex.split(line)]
    words[:1] = {"./course": [sys.executable, str(paths.ROOT / "course")], "python": [sys.executable]}.get(
        words[0], words[:1]
    )
    return subprocess.run(words, cwd=folder, env=environment(home), capture_output=True, text=True, timeout=500)


@pytest.mark.heavy
def test_guide_runs_as_written(tmp_path: Path) -> None:
    """From nothing to feedback and files for Canvas and Moodle, with a student who fetches and submits in between."""
    home, exchange, student = tmp_path / "teacher", tmp_path / "exchange", tmp_path / "student"
    for folder in (home, exchange, student):
        folder.mkdir()
    exchange.chmod(0o777)
    course = home / "async101"
    settings = next(block for block in blocks("python") if "Exchange.root" in block)
    settings = settings.replace("/srv/nbgrader/exchange", str(exchange))
    (student / "nbgrader_config.py").write_text(f"c = get_config()\n{settings}")
    first, people, release, grade, back = blocks("sh")
    fetch, submit = blocks("sh student")[0].splitlines()
    done = run(first.strip(), home, home)
    assert done.returncode == 0, done.stdout + done.stderr
    with open(course / "nbgrader_config.py", "a") as config:
        config.write(settings)
    (course / "students.csv").write_text(
        "id,first_name,last_name,email,lms_user_id\nada,Ada,Lovelace,a@example.org,77\n"
    )

    def all_of(text: str) -> str:
        said = ""
        for line in text.splitlines():
            done = run(line, course, home)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            said += done.stdout
        return said

    all_of(people)
    all_of(release)
    assert run(fetch, student, home).returncode == 0
    file = student / LESSON / f"exercise_{LESSON}.ipynb"
    nbformat.write(answered(nbformat.read(file, 4), EXERCISE), file)
    assert run(submit, student, home).returncode == 0
    assert "All are graded." in all_of(grade)
    said = all_of(back)
    assert "graded, 10 of 10 points" in said and "SIS Login ID" in said and '"Lovelace, Ada",77,,ada,,' in said
    assert list((course / "feedback").glob(f"*/{LESSON}/*.html")) and (course / "grades.csv").is_file()


@pytest.mark.heavy
def test_variants_as_written(tmp_path: Path) -> None:
    """A private copy of an exercise with the page's table of variants, from nothing to the grade of a student's own variant."""
    home = tmp_path / "teacher"
    home.mkdir()
    course, mine = home / "async101", home / "own" / "16_letters"
    copy, new = blocks("sh own")
    assert run(copy.strip(), home, home).returncode == 0
    for file in [path for path in mine.rglob("*") if path.suffix in (".py", ".toml")]:
        file.write_text(file.read_text().replace("/documents/", "/<<path>>/"))
    table = next(block for block in blocks("toml") if "[variants]" in block)
    with open(mine / "exercise.toml", "a") as toml:
        toml.write(f"\n{table}")
    done = run(new.strip(), home, home)
    assert done.returncode == 0, done.stdout + done.stderr
    (course / "students.csv").write_text("id\nada\nbob\n")
    (people,) = [block for block in blocks("sh") if "student import" in block]
    commands = [*people.splitlines(), *blocks("sh variants")[0].splitlines()]
    for line in commands:
        done = run(line, course, home)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    path = re.search(r"^ada: path = (\w+)$", done.stdout, re.MULTILINE)[1]
    file = course / "handout" / "16_letters" / "ada" / "exercise_16_letters.ipynb"
    notebook = nbformat.read(file, 4)
    assert path in table and f"/{path}/{{token}}" in file.read_text()
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            first = cell.source.splitlines()[0]  # %%app document.py
            answer = paths.SOLUTIONS / LESSON / "answers" / Path(first.split()[1]).stem / "reference.py"
            cell.source = f"{first}\n{answer.read_text().replace('/documents/', f'/{path}/')}"
    handed = course / "submitted" / "ada" / "16_letters" / file.name
    handed.parent.mkdir(parents=True)
    nbformat.write(notebook, handed)
    done = run("python -m autograder class grade . 16_letters", course, home)
    assert "All are graded." in done.stdout, done.stdout + done.stderr
    (judged,) = re.findall(r"^(\./course grade .*)$", PAGE, re.MULTILINE)
    done = run(judged, home, home)
    assert done.returncode == 0 and "6 of 6 points" in done.stdout, done.stdout + done.stderr


@pytest.mark.heavy
def test_late_penalty_and_extension(course, canned) -> None:
    """nbgrader's own: no points for late work, and a student with an extension isn't late."""
    canned.say = lambda job: {**worker_pool.undecided(job, ""), **verdict(1)}
    penalty = next(block for block in blocks("python") if "penalty_method" in block)
    with open(course / "nbgrader_config.py", "a") as config:
        config.write(penalty)
    (due,) = re.findall(r"^nbgrader (db assignment add .*)$", PAGE, re.MULTILINE)
    nbgrader(course, *shlex.split(due))
    for student in ("ada", "bob"):
        hand_in(course, student, REFERENCE, "2026-11-22 10:00:00 UTC")
    assert grade_class.main(str(course)) == grade_class.ALL_GRADED
    extension = next(block for block in blocks("python") if "grant_extension" in block)
    subprocess.run([sys.executable, "-c", extension], cwd=course, check=True)
    assert grade_class.main(str(course), force=True) == grade_class.ALL_GRADED
    rows = {row.student: row for row in report.collect(grade_class.Course(course), [LESSON])}
    assert (rows["ada"].points, rows["ada"].late) == (FULL, 0)
    assert (rows["bob"].points, rows["bob"].late) == (0, 34 * 3600)


def test_downloads_are_collected(course) -> None:
    """``zip_collect`` sorts files with an LMS's names into ``submitted``, with the regular expression of the page."""
    pattern = next(block for block in blocks("python") if "named_regexp" in block)
    with open(course / "nbgrader_config.py", "a") as config:
        config.write(pattern)
    archive = course / "downloaded" / LESSON / "archive"
    archive.mkdir(parents=True)
    released = course / "release" / LESSON / f"exercise_{LESSON}.ipynb"
    (archive / f"ada_exercise_{LESSON}.ipynb").write_bytes(released.read_bytes())
    nbgrader(course, "zip_collect", LESSON)
    assert (course / "submitted" / "ada" / LESSON / f"exercise_{LESSON}.ipynb").read_bytes() == released.read_bytes()


@pytest.mark.parametrize("line", re.findall(r"^\./course (.*)$", PAGE, re.MULTILINE))
def test_other_commands_exist(line: str) -> None:
    """Those that take long are parsed only."""
    from autograder import cli

    assert cli.parse(shlex.split(line, comments=True)).run
