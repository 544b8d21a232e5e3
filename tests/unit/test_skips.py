"""What the suite does where a machine lacks something: skip by name with the reason, and fail where all is required."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import selection

from autograder import paths

STUB = """
ALL = {"mysql": None, "linux": None}

def missing(name):
    return "there is no tea server" if name == "mysql" else None
"""
TESTS = """
import pytest

@pytest.mark.mysql
def test_tea(): pass

@pytest.mark.mysql
def test_cake(): pass

@pytest.mark.parametrize("service", ["mysql", "upstream"])
def test_service(service): pass

@pytest.mark.linux
def test_linux(): pass
"""


@pytest.fixture
def suite(tmp_path):
    """A suite with our conftest.py on a machine without MySQL; call it to get (exit code, output)."""
    for name in ("conftest.py", "selection.py"):
        shutil.copy(paths.ROOT / "tests" / name, tmp_path)
    (tmp_path / "capabilities.py").write_text(STUB)
    (tmp_path / "test_tea.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\npythonpath = .\nmarkers =\n    mysql: x\n    linux: x\n    browser: x\n    sandbox: x\n"
    )

    def run(*words, **variables):
        environment = {key: value for key, value in os.environ.items() if key != "CI" and not key.startswith("PYTEST")}
        command = [sys.executable, "-P", "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", "-q", *words]
        done = subprocess.run(command, cwd=tmp_path, env={**environment, **variables}, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def test_skips_are_counted_with_reasons(suite):
    """Skipped tests are counted in the summary, with their reasons."""
    code, output = suite()
    assert code == 0 and "2 passed, 3 skipped" in output, output
    assert "Not tested on this machine" in output
    assert "3 skipped: needs mysql: there is no tea server" in output


@pytest.mark.parametrize(("words", "variables"), [(["--require-all"], {}), ([], {"CI": "true"})])
def test_required_tests_cannot_be_skipped(suite, words, variables):
    """Where every test is required, a skip is an error."""
    code, output = suite(*words, **variables)
    assert code == 1 and "2 passed, 3 errors" in output, output
    assert "needs mysql: there is no tea server" in output


def test_unsteady_test_is_shown(suite, tmp_path):
    """A test that fails and then passes leaves the run green, and what it failed with is printed; others stay red."""
    pytest.importorskip("pytest_rerunfailures")  # only in the environment of the tests
    (tmp_path / "test_tea.py").write_text(
        "import pathlib\n"
        "def test_kettle():\n"
        "    kettle = pathlib.Path('kettle')\n"
        "    hot = kettle.exists()\n"
        "    kettle.touch()\n"
        "    assert hot, 'the water was cold'\n"
        "def test_empty(): assert not 'no water'\n"
    )
    code, output = suite("--reruns", "2", "-k", "kettle")
    assert code == 0 and "1 passed, 1 deselected, 1 rerun" in output, output
    assert "test_kettle (call):" in output and "the water was cold" in output, output
    code, output = suite("--reruns", "2")
    assert code == 1 and "1 failed, 1 passed, 2 rerun" in output and "run again" not in output, output


def test_nothing_skipped_says_nothing(suite):
    code, output = suite("-k", "linux")
    assert code == 0 and "Not tested" not in output, output


@pytest.mark.parametrize(("changed", "run"), [(set(), 2), ({"tests/unit/test_skips.py"}, 8)])
def test_heavy_tests_run_in_parts(monkeypatch, changed, run):
    """Of the heavy tests a part is run, and those of a changed file."""
    monkeypatch.setattr(selection, "changed", lambda: changed)

    def item(name, *markers):
        return SimpleNamespace(nodeid=name, path=Path(__file__), get_closest_marker=lambda marker: marker in markers)

    items = [item("light"), *(item(f"heavy {number}", "heavy") for number in range(8))]
    left_out = selection.heavy_left_out(items, one_in=4)
    assert len(left_out) == 8 - run and items[0] not in left_out
    assert selection.heavy_left_out(items, one_in=1) == []
