"""No exit code that a learner's test chooses is mistaken for a failure of the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import paths
from autograder.judge.spec.exercise import load
from autograder.judge.tasks import mutation, test_runner
from autograder.sandbox import launcher, levels
from autograder.services.upstream import Rooms

TASK = load(paths.SOLUTIONS / "12_testing_for_it").written[0]
APP = next(app for app in mutation.hidden(TASK) if app.honest)
CONFTEST = paths.SOLUTIONS / TASK.lesson / "given" / "conftest.py"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[launcher.Sandbox]:
    """A sandbox of the level ``namespaces``."""
    found = levels.at_least("required")
    yield found.sandbox
    found.sandbox.close()


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "ending, code",
    [("os._exit(70)", 70), ("os.kill(os.getpid(), 9)", 137)],
    ids=["forkservers", "killed"],
)
def test_own_exit_is_no_excuse(sandbox: launcher.Sandbox, tmp_path: Path, ending: str, code: int) -> None:
    """70 is what a fork that couldn't start ends with. A test that ends so itself gets a FAIL, and no ERROR."""
    file = tmp_path / "test_quotes.py"
    file.write_text(f"import os\ndef test_x():\n    {ending}\n")

    async def attempt() -> test_runner.Run:
        with Rooms() as supplier:
            return await test_runner.attempt(file, CONFTEST, APP.file, supplier, sandbox)

    found = asyncio.run(attempt())
    assert found.result == f"pytest ended in the middle of test_quotes.py (exit code {code})."
