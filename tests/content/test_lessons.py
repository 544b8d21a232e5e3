"""Every notebook runs from top to bottom without a browser or stderr output, and what its prose claims is true."""

import ast
import copy
import itertools
import os
import re
import shutil
import sys
import threading
from contextlib import contextmanager

import nbformat
import pytest
from helpers import assert_quiet, run_notebook
from nbclient.exceptions import CellExecutionError
from selection import ONE_IN, changed, chosen

from autograder import paths
from autograder.programs.procfs import descendants, proportional_memory

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*/*.ipynb"))
CLAIMS = {file.stem: file.read_text() for file in (paths.ROOT / "tests" / "content" / "claims_of").glob("*.py")}
LESSONS = [file for file in NOTEBOOKS if file.name.startswith("lesson_")]
MEMORY = 1 << 30  # bytes: Binder's 1.5 GiB, less what JupyterLab itself takes
SCREEN = 26  # lines of a code cell that a laptop shows at once
APP = 38  # lines of an exercise's app: a fix is read as a whole
RUNS = 3  # of a lesson: what it measured in one of them can be the machine's doing; a false claim fails in all
SHOP = 250  # lines of the shops of lesson 13: that one must scroll to find what blocks is the point


def source(file):
    return nbformat.read(file, 4)


def name_of(file):
    return file.parent.name


def is_changed(file):
    """True if the newest commit or the working tree changed this lesson or its claims."""
    return any(
        name_of(file) in path for path in changed() if path.startswith(("notebooks/", "tests/content/claims_of/"))
    )


@pytest.mark.parametrize("file", chosen(LESSONS, name_of, min(ONE_IN, 15), is_changed), ids=name_of)
def test_lesson_runs_and_claims_hold(file, tmp_path):
    """A lesson runs to its end within the memory limit, and its claims hold.

    As in a clone, the configuration of the course's own tests is in a folder above the notebook.
    """
    shutil.copy(paths.ROOT / "pyproject.toml", tmp_path)
    with most_memory() as peak:
        notebook = run_with_claims(source(file), CLAIMS[file.parent.name], tmp_path)
    assert_quiet(notebook)
    print(f"{file.stem}: at most {peak[0] >> 20} MiB at a time")
    assert peak[0] < MEMORY


def run_with_claims(notebook, claims, folder):
    """Run a notebook and then its claims, in up to `RUNS` kernels until they hold; returns the notebook.

    Only a claim may fail and be tried again. An error in a cell that a learner sees is an error each time.
    """
    notebook.cells.append(nbformat.v4.new_code_cell(with_values(claims)))
    for run in itertools.count(1):
        (place := folder / f"run {run}").mkdir()
        try:
            return run_notebook(copy.deepcopy(notebook), place)[0]
        except CellExecutionError as error:
            if run == RUNS or error.ename != "AssertionError" or CLAIM not in error.evalue:
                raise
            print(error.evalue, file=sys.stderr)


CLAIM = "this claim does not hold:"


def with_values(claims):
    """The claims, each saying what it compared when it fails."""
    tree = ast.parse(claims)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            text = ast.unparse(node.test)
            names = sorted({n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)})
            values = f"repr({{n: v for n, v in globals().items() if n in {names} and not callable(v)}})"
            node.msg = ast.parse(f"({f'{CLAIM} {text} with '!r} + {values})[:2000]", mode="eval").body
    return ast.unparse(ast.fix_missing_locations(tree))


@contextmanager
def most_memory():
    """Yield a list whose only item is the peak memory, in bytes, of all processes started during the block."""
    before, peak, over = set(descendants(os.getpid())), [0], threading.Event()

    def watch():
        while not over.wait(0.5):
            peak[0] = max(
                peak[0], sum(proportional_memory(pid) for pid in descendants(os.getpid()) if pid not in before)
            )

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def test_false_claim_is_noticed(tmp_path):
    """The claims are run where an assertion that fails ends the notebook, and say what they compared."""
    with pytest.raises(CellExecutionError, match=r"this claim does not hold: blocked > 2 with \{'blocked': 1\}"):
        run_with_claims(nbformat.v4.new_notebook(), "blocked = 1\nassert blocked > 2", tmp_path)
    assert len(list(tmp_path.iterdir())) == RUNS


def test_failed_claim_runs_again(tmp_path):
    claims = f"from pathlib import Path\nruns = len(list(Path({str(tmp_path)!r}).iterdir()))\nassert runs == 2"
    run_with_claims(nbformat.v4.new_notebook(), claims, tmp_path)


def test_broken_cell_runs_once(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("assert 1 > 2")])
    with pytest.raises(CellExecutionError):
        run_with_claims(notebook, "assert True", tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_pytest_cell_ignores_clone(tmp_path, monkeypatch):
    """Lesson 12 starts pytest in the learner's clone, whose configuration is for the course's own tests."""
    shutil.copy(paths.ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "test_two.py").write_text(
        "import pytest\n@pytest.mark.parametrize('name', ['a', 'b'])\ndef test_one(name): assert name == 'a'\n"
    )
    lesson = source(next(file for file in LESSONS if name_of(file).startswith("12_")))
    cell = next(cell.source for cell in lesson.cells if "def pytest(" in cell.source)
    monkeypatch.chdir(tmp_path)
    exec(cell, names := {})
    assert names["pytest"]("test_two.py") == {"a": "passed", "b": "failed"}


def test_every_lesson_has_claims():
    assert {file.parent.name for file in LESSONS} == set(CLAIMS)


def saved(notebook):
    """The names of the files that a notebook's cells save beside it."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return set(re.findall(r"^%%(?:app|keep|writefile) +(\S+)", text, re.M))


@pytest.mark.parametrize("folder", sorted({file.parent for file in NOTEBOOKS}), ids=lambda folder: folder.name)
def test_notebooks_save_to_different_files(folder):
    """Else to read a lesson again would overwrite the learner's exercise, and the check would judge the lesson's file."""
    names = [name for file in folder.glob("*.ipynb") for name in saved(source(file))]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)


def headings(notebook):
    """Levels and texts of all headings, code blocks left out."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    return [(len(level), title) for level, title in re.findall(r"^(#+) (.+)$", text, re.M)]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_shape(file):
    notebook = source(file)
    kind = notebook.metadata.course.kind
    low = 20 if kind == "lesson" else 10
    assert low <= len(notebook.cells) <= 45
    levels = [level for level, _ in headings(notebook)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for cell in notebook.cells:
        assert cell.source.strip(), "an empty cell"
        assert "TODO" not in cell.source
        if cell.cell_type == "code":
            whole_shop = "13_the_incident" in str(file) and cell.source.startswith("%%app")
            app = APP if kind == "exercise" and cell.source.startswith("%%app") else SCREEN
            assert len(cell.source.splitlines()) <= (SHOP if whole_shop else app), cell.source
        else:
            assert cell.source.count("<details>") == cell.source.count("</details>")
            assert not re.search(r"!\[\s*\]", cell.source), "a picture without a text"
    assert "minutes" in notebook.cells[0].source


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_lesson_references_exist(file):
    """Each lesson and notebook that a text mentions exists."""
    text = "\n".join(cell.source for cell in source(file).cells if cell.cell_type == "markdown")
    for number in re.findall(r"lesson (\d\d)", text):
        assert list(paths.NOTEBOOKS.glob(f"{number}_*")), f"lesson {number} is not there"
    for name in re.findall(r"`((?:lesson|exercise)_\w+\.ipynb)`", text):
        assert (file.parent / name).is_file()
    for name in re.findall(r"`(?:notebooks/)([\w/]+\.ipynb)`", text):
        assert (paths.NOTEBOOKS / name).is_file()


INCIDENT = re.compile(r"# .+\n\n(> \*\*It happened\.\*\* (?:.*\n> )*.*\]\(https://\S+\)\))\n\n")
MINUTES = re.compile(r'\*\*About \d+ minutes\*\*, plus \d+ for the sections marked "Deeper"')


@pytest.mark.parametrize("file", LESSONS, ids=name_of)
def test_lesson_has_common_form(file):
    """A lesson opens with an incident, its source and its minutes, and closes with self-checks, a glossary and links."""
    notebook = source(file)
    assert INCIDENT.match(notebook.cells[0].source)
    assert MINUTES.search(notebook.cells[0].source)
    titles = [title for level, title in headings(notebook) if level == 2]
    assert titles[-3:] == ["Check yourself", "Words of this lesson", "Further reading"]
    words = notebook.cells[-1].source.split("## Words of this lesson")[1].split("## ")[0].strip()
    assert all(line.startswith(("- **", "  ")) for line in words.splitlines())


@pytest.mark.parametrize("file", [file for file in NOTEBOOKS if file not in LESSONS], ids=name_of)
def test_exercise_has_common_form(file):
    """An exercise says its minutes, and states rules and goals in the same words as the others."""
    text = "\n\n".join(cell.source for cell in source(file).cells if cell.cell_type == "markdown")
    assert re.search(r"^\*\*About \d+ minutes\.\*\* You need ", text, re.M)
    assert not re.search(r"\*\*(Rule|Goal)s?\.\*\*|picture to aim for|right responses\*\*", text)
