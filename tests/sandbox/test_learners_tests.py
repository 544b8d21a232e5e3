"""A learner's test (lesson 12) in its sandbox: the limits of an app, and a failure of the machine is never one of the test."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from autograder import paths
from autograder.judge.spec.exercise import load
from autograder.judge.tasks import mutation, test_runner
from autograder.judge.tasks.test_runner import FAILED, PASSED
from autograder.judge.verdict import Inconclusive
from autograder.programs import syscall_filter
from autograder.sandbox import launcher, levels
from autograder.services.upstream import Rooms

TASK = load(paths.SOLUTIONS / "12_testing_for_it").written[0]
APP = next(app for app in mutation.hidden(TASK) if app.honest)
CONFTEST = paths.SOLUTIONS / "12_testing_for_it" / "given" / "conftest.py"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[launcher.Sandbox]:
    """A sandbox of the level ``namespaces``."""
    found = levels.at_least("required")
    yield found.sandbox
    found.sandbox.close()


def run(folder, text, sandbox=None):
    """Run a test of that text once against an app that is right; returns its `Run`."""
    file = folder / "test_quotes.py"
    file.write_text(text)

    async def attempt():
        with Rooms() as supplier:
            return await test_runner.attempt(file, CONFTEST, APP.file, supplier, sandbox)

    return asyncio.run(attempt())


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "flood, says",
    [
        ("x = bytearray(4 << 30)", "MemoryError"),
        ("open('big', 'wb').write(bytes(200 << 20))", "OSError"),
        ("for i in range(200): open(f'f{i}', 'wb').write(bytes(1 << 20))", "No space left on device"),
        ("for i in range(100_000): os.mkdir(f'd{i}')", "No space left on device"),
        # where root grades; an ordinary user has no other to give
        ("assert ROOT and os.getuid() > 60_000, f'user {os.getuid()}'", "" if os.geteuid() == 0 else "AssertionError"),
        ("os.setuid(0)", "Error"),
    ],
    ids=["memory", "file", "disk", "folders", "user", "rights"],
)
def test_floods_end_at_limits(sandbox, tmp_path, flood, says):
    """A learner's test meets limits of memory, files and rights, and where root grades it has another user."""
    text = f"import os, time\nROOT = {os.geteuid() == 0}\ndef test_x():\n    {flood}\n"
    found = run(tmp_path, text, sandbox)
    assert found.result == (FAILED if says else PASSED), found
    assert says in found.output


@pytest.mark.sandbox
def test_fork_bomb_of_test_ends(sandbox, tmp_path):
    """At the limit of its user's processes, or before that at the limit of its sandbox's: whichever sees it first."""
    text = "import os, time\ndef test_x():\n    for i in range(2000):\n        if os.fork() == 0: time.sleep(60)\n"
    found = run(tmp_path, text, sandbox)
    ended = found.result == "pytest ended in the middle of test_quotes.py (exit code 137)."
    assert ended or (found.result == FAILED and "BlockingIOError" in found.output), found


@pytest.mark.sandbox
def test_processes_share_memory_limit(sandbox, tmp_path):
    """The processes of a learner's test together have no more memory than one."""
    text = (
        "import os\ndef test_x():\n    for i in range(6):\n        if os.fork() == 0:\n"
        "            x = b'x' * (300 << 20)\n            while True: pass\n"
        "    while True: pass\n"
    )
    assert run(tmp_path, text, sandbox).result == "pytest ended in the middle of test_quotes.py (exit code 137)."


@pytest.mark.sandbox
def test_killed_sandbox_is_no_failure(sandbox, tmp_path, monkeypatch):
    """An exit code that bubblewrap or the system made must not count as one of pytest's."""
    start = sandbox.start

    def start_and_kill(file, *arguments, program="app", **more):
        process = start(file, *arguments, program=program, **more)
        if program == "test":
            os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(sandbox, "start", start_and_kill)
    with pytest.raises(Inconclusive, match="pytest did not start"):
        run(tmp_path, "import time\ndef test_x(): time.sleep(600)\n", sandbox)


@pytest.mark.sandbox
def test_unstartable_sandbox_is_no_failure(tmp_path, monkeypatch):
    """The machine may lose what it offered when it was probed."""
    found = levels.at_least("required")
    monkeypatch.setattr(launcher.bubblewrap, "app_profile", lambda *_: ["false"])
    file = tmp_path / "test_quotes.py"
    file.write_text("def test_x(): pass\n")
    try:
        verdict = asyncio.run(mutation.MutationJudge(file, TASK, found.sandbox).verdict_with_retries("honest"))
    finally:
        found.sandbox.close()
    assert verdict.outcome == "error" and "could not be sandboxed" in verdict.diagnosis


def test_missing_pytest_is_no_failure(tmp_path, monkeypatch):
    """Python ends with 1 if an import fails, and so does pytest if a test does."""
    programs = shutil.copytree(paths.PROGRAMS, tmp_path / "programs")
    (programs / "run_pytest.py").write_text("import no_such_module\n")
    monkeypatch.setattr(test_runner, "PROGRAMS", programs)
    with pytest.raises(Inconclusive, match="pytest did not start .*no_such_module"):
        run(tmp_path, "def test_x(): pass\n")


UNSHARES = """
import ctypes, os
def test_x():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.setns(-1, 0)
    assert ctypes.get_errno() == {errno}, os.strerror(ctypes.get_errno())
"""


@pytest.mark.skipif(syscall_filter.program() is None, reason="there is no filter for this machine")
@pytest.mark.parametrize("level, errno", [("limits", 1), ("none", 9)])  # EPERM of the filter, EBADF of the system
def test_tests_are_filtered_without_namespaces(tmp_path, monkeypatch, level, errno):
    """At the level ``limits``, a graded test has the same system call filter as an app; a learner's own run has none."""
    file = tmp_path / "test_quotes.py"
    file.write_text(UNSHARES.format(errno=errno))
    monkeypatch.setattr(mutation, "hidden", lambda task: [APP])
    found = levels.at_least(level, ceiling=level)
    judge = mutation.MutationJudge(file, TASK, found.sandbox)
    try:
        asyncio.run(judge.verdict_with_retries("honest"))
    finally:
        if found.sandbox:
            found.sandbox.close()
    (runs,) = judge._runs.values()
    assert {run.result for run in runs} == {PASSED}, runs
