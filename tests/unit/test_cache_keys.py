"""The part of a verdict's cache key that stands for the code is derived from what a grading worker imports and starts."""

import shutil

import pytest

from autograder import paths
from autograder.classroom import cache_keys


@pytest.fixture
def clone(tmp_path):
    """A clone with the package alone."""
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(paths.ROOT / "autograder", tmp_path / "autograder", ignore=unwanted)
    return tmp_path


def key(clone):
    cache_keys.of_grader.cache_clear()
    cache_keys.of_code.cache_clear()
    return cache_keys.of_grader(clone)


@pytest.fixture(scope="module")
def before():
    return key(paths.ROOT)


def test_clone_has_the_same_key(clone, before):
    assert key(clone) == before


@pytest.mark.parametrize("name", ["judge/decide.py", "judge/__init__.py"])
def test_imported_code_counts(clone, before, name):
    with (clone / "autograder" / name).open("a") as file:
        file.write("# one line more\n")
    assert key(clone) != before


@pytest.mark.parametrize("name", ["forkserver.py", "a_new_one.py"])
def test_programs_count(clone, before, name):
    """They are started by path: no module imports these."""
    with (clone / "autograder" / "programs" / name).open("a") as file:
        file.write("# one line more\n")
    assert key(clone) != before


def test_other_code_does_not_count(clone, before):
    for name in ("cli.py", "site/build.py", "benchmarks/verdicts.py", "classroom/new_course.py"):
        (clone / "autograder" / name).write_text("")
    assert key(clone) == before


def test_moved_module_changes_the_key(clone, before):
    """A moved module still changes the key, because there's no list of folders to maintain."""
    package = clone / "autograder"
    (package / "judge" / "decide.py").rename(package / "judge" / "until_certain.py")
    for file in package.rglob("*.py"):
        text = file.read_text()
        if "autograder.judge.decide" in text:
            file.write_text(text.replace("autograder.judge.decide", "autograder.judge.until_certain"))
    moved = key(clone)
    assert moved != before
    (package / "judge" / "until_certain.py").write_text("")
    assert key(clone) not in (before, moved)
