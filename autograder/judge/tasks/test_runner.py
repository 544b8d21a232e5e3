"""Runs a learner's pytest test against apps that are known to be right or wrong: one app, one supplier, one run of pytest.

The test runs in a process of its own.  It knows an address of the app and one of the supplier, both new each time, and
nothing that tells which app it is: the app's file is gone before the test begins.  What counts is how its process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from autograder.judge.verdict import Inconclusive
from autograder.lab.app_errors import AppError
from autograder.lab.server import Server, child_environment
from autograder.managed_process import ManagedProcess
from autograder.paths import PROGRAMS
from autograder.sandbox.launcher import Sandbox, SandboxedProcess, SandboxError
from autograder.services.upstream import Rooms

if TYPE_CHECKING:
    from typing import Any

RUN_LIMIT = 90.0  # s: what a test needs on a busy machine, and more
APP_PORT = 8000  # where a sandboxed test finds the app, in its own network
OUTPUT_LIMIT = 64 * 1024  # bytes kept of what a run prints, the newest
SETTINGS = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
PASSED, FAILED, HANGS = "passes", "fails", "does not end"


@dataclass(frozen=True)
class Run:
    """One run of the test: ``result`` is passes, fails, does not end or, if it could not be run, a sentence."""

    result: str
    output: str
    seconds: float

    @property
    def reason(self) -> str:
        """What pytest says of the first failure, in a line or two."""
        lines = [line[2:].strip() for line in self.output.splitlines() if line.startswith("E ")]
        text = " ".join(" ".join(lines[:3]).split()) or " ".join(self.output.split())[-200:]
        return "".join(c if c.isprintable() else "\ufffd" for c in text)[:200]


class TestProcess(ManagedProcess):
    """pytest on the file ``test`` in ``folder``, as an ordinary process. `begun` says whether it got as far as pytest.

    With ``filtered`` it loses the system calls that an app loses in a sandbox.
    """

    def __init__(self, folder: str, test: str, environment: Mapping[str, str], filtered: bool = False) -> None:
        self._started, started = os.pipe()
        posix = os.name == "posix"
        try:
            super().__init__(
                [
                    sys.executable,
                    "-I",
                    "-B",
                    PROGRAMS / "run_pytest.py",
                    started if posix else "-",
                    test,
                    "filtered" if filtered else "-",
                ],
                text=False,
                cwd=folder,
                env={**child_environment(inherit=False), **environment},
                stdin=subprocess.DEVNULL,  # a test may read it
                stderr=subprocess.STDOUT,
                pass_fds=[started] if posix else [],
            )
        finally:
            os.close(started)

    @property
    def begun(self) -> bool:
        """Whether pytest was reached; only asked for once it has ended. Always True on Windows."""
        return os.name != "posix" or os.read(self._started, 1) == b"s"

    def end(self, grace_s: float | None = 0.0) -> None:
        """Kill it with all that it started, which may go on when pytest itself has ended."""
        self.kill_group()
        self.wait()

    def close(self) -> None:
        """Close what is left of it here, but for its output, which a thread may still read."""
        os.close(self._started)


async def attempt(
    test: str | Path,
    conftest: str | Path,
    app: str | Path,
    supplier: Rooms,
    sandbox: Sandbox | None = None,
    filtered: bool = False,
) -> Run:
    """Run the learner's file ``test`` with ``conftest`` against the app in the file ``app``; returns a `Run`.

    With ``sandbox``, a `Sandbox` of the level that has namespaces, the app and the test each run in a sandbox. Without one,
    ``filtered`` takes system calls away from the test. Raises `Inconclusive` if the machine does not let us find out.
    """
    return await asyncio.to_thread(_attempt, Path(test), Path(conftest), Path(app), supplier, sandbox, filtered)


def _attempt(test: Path, conftest: Path, app: Path, supplier: Rooms, sandbox: Sandbox | None, filtered: bool) -> Run:
    room = supplier.room()
    with tempfile.TemporaryDirectory(prefix="course-tried-", ignore_cleanup_errors=True) as folder:
        file = shutil.copy(app, Path(folder) / "quotes.py")
        server = None
        try:
            server = Server(file, {"UPSTREAM_URL": room}, inherit=False, start=sandbox.start if sandbox else None)
            server.wait_until_ready()
            Path(file).unlink()
            environment: dict[str, Any] = {
                "APP_URL": server.url,
                "SUPPLIER_URL": room,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            }
            if sandbox is None:
                return _run(test, conftest, partial(TestProcess, environment=environment, filtered=filtered))
            environment["APP_URL"] = f"http://127.0.0.1:{APP_PORT}"
            places: dict[int, Any] = {APP_PORT: server.socket}
            return _run(test, conftest, partial(_sandboxed, sandbox=sandbox, environment=environment, places=places))
        except AppError as error:
            raise Inconclusive(f"an app of ours did not start ({error}).") from None
        except SandboxError as error:
            raise Inconclusive(f"the test could not be sandboxed ({error}).") from None
        finally:
            with contextlib.suppress(httpx.HTTPError):
                httpx.post(f"{room}/gate/open", trust_env=False)
            if server is not None:
                server.stop()


def _sandboxed(
    folder: str, test: str, sandbox: Sandbox, environment: Mapping[str, str], places: Mapping[int, str]
) -> SandboxedProcess:
    return sandbox.start(Path(folder) / test, environment, places, program="test")


def _run(test: Path, conftest: Path, start: Callable[[str, str], TestProcess | SandboxedProcess]) -> Run:
    """Run pytest once; ``start`` starts it, given the folder and the name of the file."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="course-test-", ignore_cleanup_errors=True) as folder:
        shutil.copy(test, folder)
        shutil.copy(conftest, Path(folder) / "conftest.py")
        (Path(folder) / "pytest.ini").write_text(SETTINGS)
        process = start(folder, test.name)
        output = bytearray()
        reader = threading.Thread(target=_read, args=(process.stdout, output), daemon=True)
        reader.start()
        code: int | None
        try:
            code = process.wait(RUN_LIMIT)
            if isinstance(process, SandboxedProcess):
                code = process.exit_code
                begun = code is not None and not process.failed
            else:
                begun = process.begun
            if not begun:
                reader.join(2)
                last_line = output.decode(errors="replace").strip().splitlines()[-1:]
                raise Inconclusive(
                    f"pytest did not start ({last_line[0][:200] if last_line else 'it was ended from outside'})."
                )
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.end()
            reader.join(2)
            if not reader.is_alive():  # else something that fled holds the other end
                process.stdout.close()  # type: ignore[union-attr]
            process.close()
    return Run(_result(code, test.name), output.decode(errors="replace"), time.monotonic() - began)


def _read(pipe: Any, output: bytearray) -> None:
    for data in iter(lambda: pipe.read1(65536), b""):
        output += data
        del output[:-OUTPUT_LIMIT]


def _result(code: int | None, name: str) -> str:
    """What the exit code of pytest says."""
    if code is None:
        return HANGS
    if code in (0, 1):
        return (PASSED, FAILED)[code]
    if code == 5:
        return f"pytest found no test in {name}. The name of a test begins with test_."
    if code == 2:
        return f"pytest could not read {name}."
    return f"pytest ended in the middle of {name} (exit code {code})."


def first_error(output: str) -> str:
    """The lines of pytest's output that say why a file could not be read."""
    found = re.findall(r"^E\s+(.*)$", output, re.M)
    return " ".join(" ".join(found[-2:]).split())[:300]
