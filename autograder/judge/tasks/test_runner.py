"""Runs a learner's pytest test against an app that is known to be correct or blocking.

The test runs in its own process. It gets the addresses of the app and of the supplier, both new for each run, and can't
find out which app it is: the app's file is deleted before the test begins. The exit code of pytest is the result.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
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
from autograder.sandbox.temporary import temporary_folder
from autograder.services.upstream import Rooms

if TYPE_CHECKING:
    from typing import Any

RUN_LIMIT = 90.0  # s: more than a test needs on a busy machine
APP_PORT = 8000  # the app's port in the network of a sandboxed test
OUTPUT_LIMIT = 64 * 1024  # bytes of a run's output that are kept, from the end
SETTINGS = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
PASSED, FAILED, HANGS = "passes", "fails", "does not end"


@dataclass(frozen=True)
class Run:
    """One run of the test. ``result`` is `PASSED`, `FAILED`, `HANGS` or, if the test couldn't be run, a sentence."""

    result: str
    output: str
    seconds: float

    @property
    def reason(self) -> str:
        """What pytest reports for the first failure, shortened."""
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
        """Whether the process got as far as pytest; read it once, after the process has ended. Always True on Windows."""
        return os.name != "posix" or os.read(self._started, 1) == b"s"

    def end(self, grace_s: float | None = 0.0) -> None:
        """Kill the process group, which may hold processes that have outlived pytest itself."""
        self.kill_group()
        self.wait()

    def close(self) -> None:
        """Close its pipe, but not its output, which a thread may still read."""
        os.close(self._started)


async def attempt(
    test: str | Path,
    conftest: str | Path,
    app: str | Path,
    supplier: Rooms,
    sandbox: Sandbox | None = None,
    filtered: bool = False,
) -> Run:
    """Run the learner's file ``test`` with ``conftest`` against the app in the file ``app``; return a `Run`.

    With ``sandbox``, whose level must be "namespaces", the app and the test each run in a sandbox. Without one, ``filtered``
    takes system calls away from the test. Raises `Inconclusive` if the app or pytest can't be started.
    """
    return await asyncio.to_thread(_attempt, Path(test), Path(conftest), Path(app), supplier, sandbox, filtered)


def _attempt(test: Path, conftest: Path, app: Path, supplier: Rooms, sandbox: Sandbox | None, filtered: bool) -> Run:
    room = supplier.room()
    with temporary_folder("course-tried-") as folder:
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
    """Run pytest once. ``start`` starts it in a folder, with the name of the test's file."""
    began = time.monotonic()
    with temporary_folder("course-test-") as folder:
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
            if process.stdout and not reader.is_alive():  # else a process that left the group holds the other end
                process.stdout.close()
            process.close()
    return Run(_result(code, test.name), output.decode(errors="replace"), time.monotonic() - began)


def _read(pipe: Any, output: bytearray) -> None:
    for data in iter(lambda: pipe.read1(65536), b""):
        output += data
        del output[:-OUTPUT_LIMIT]


def _result(code: int | None, name: str) -> str:
    """Return the result that pytest's exit code stands for."""
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
    """Return the lines of pytest's output that say why a file couldn't be read."""
    found = re.findall(r"^E\s+(.*)$", output, re.M)
    return " ".join(" ".join(found[-2:]).split())[:300]
