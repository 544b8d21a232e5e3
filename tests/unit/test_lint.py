"""The code is as ruff would have it."""

import subprocess
import sys

import pytest

from autograder import paths


@pytest.mark.parametrize(
    "words", [["check", "."], ["format", "--check", "autograder", "tests", "docs", "course"]], ids=["check", "format"]
)
def test_ruff(words):
    done = subprocess.run([sys.executable, "-m", "ruff", *words], cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
