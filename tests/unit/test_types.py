"""The types of the package fit together, as far as mypy knows them (pyproject.toml says where it's strict)."""

import subprocess
import sys

import pytest

from autograder import paths


@pytest.mark.long
def test_mypy():
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_mypy_notices_a_wrong_type(tmp_path):
    """The configuration is one that checks: a wrong call in a package that is strict is found."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from autograder.bootstrap.installer import describe\n\ndescribe(1, 2)\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(paths.ROOT / "pyproject.toml"), str(wrong)]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "call-arg" in done.stdout, done.stdout + done.stderr


@pytest.mark.long
def test_mypy_of_freeloop():
    """The package that learners install has its own configuration: strict, and for the oldest Python that it supports."""
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=paths.TAKEHOME, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
