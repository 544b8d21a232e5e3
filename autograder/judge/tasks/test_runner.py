"""Tries a learner's pytest test on apps whose truth is known: one app, one supplier's room, one pytest run a time.

The test runs in a process of its own.  It knows an address of the app and one of the supplier, both new each time, and
nothing that tells which app it is: the app's file is gone before the test begins.  What counts is how its process ends.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from autograder.judge.verdict import Inconclusive
from autograder.lab.app_errors import AppError
from autograder.lab.server import Server, child_environment
from autograder.paths import PROGRAMS
from autograder.programs.port_forward import PortForward
from autograder.sandbox import pytest_profile

RUN_LIMIT = 90.0  # s: what a test needs on a busy machine, and more
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
    def reason(self):
        """What pytest says of the first failure, in a line or two."""
        lines = [line[2:].strip() for line in self.output.splitlines() if line.startswith("E ")]
        text = " ".join(" ".join(lines[:3]).split()) or " ".join(self.output.split())[-200:]
        return "".join(c if c.isprintable() else "\ufffd" for c in text)[:200]


class Supplier:
    """The process of the supplier.  A context manager; ``room()`` is the address of a new room in it."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAMS / "gate_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        port = self._process.stdout.readline().strip()
        if not port:
            self.__exit__()
            raise Inconclusive("the supplier did not start. Try again.")
        self._url = f"http://127.0.0.1:{int(port)}"

    def room(self):
        return f"{self._url}/{secrets.token_hex(8)}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def start_test(folder, test, environment, walled):
    """Start pytest on the file ``test`` in ``folder``, behind a `wall` if there is to be one."""
    environment = {**child_environment(inherit=False), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    return subprocess.Popen(
        [
            *(pytest_profile.command(folder, {**environment, "HOME": "/tmp", "TMPDIR": "/tmp"}) if walled else []),
            *(sys.executable, "-I", "-B", str(PROGRAMS / "run_pytest.py"), test),
        ],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


async def attempt(test, conftest, app, supplier, jail=None):
    """Run the learner's file ``test`` beside ``conftest`` against the app in the file ``app``; returns a `Run`.

    With a ``jail``, of the level that has namespaces, the app starts in it, and the test runs behind a `wall`.
    """
    return await asyncio.to_thread(_attempt, Path(test), Path(conftest), Path(app), supplier, jail)


def _attempt(test, conftest, app, supplier, jail):
    room = supplier.room()
    with tempfile.TemporaryDirectory(prefix="course-tried-", ignore_cleanup_errors=True) as folder:
        file = shutil.copy(app, Path(folder) / "quotes.py")
        server = Server(file, {"UPSTREAM_URL": room}, inherit=False, start=jail.start if jail else None)
        try:
            server.wait_until_ready()
            os.unlink(file)
            places = (
                {"app": server.socket or urlsplit(server.url).port, "supplier": urlsplit(room).port} if jail else {}
            )
            return _run(test, conftest, {"APP_URL": server.url, "SUPPLIER_URL": room}, places)
        except AppError as error:
            raise Inconclusive(f"an app of ours did not start ({error}).") from None
        finally:
            with contextlib.suppress(httpx.HTTPError):
                httpx.post(f"{room}/gate/open", trust_env=False)
            server.stop()


def _run(test, conftest, environment, places):
    """One run of pytest.  ``places`` are the Unix sockets or ports of the two addresses for a test behind a wall."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="course-test-", ignore_cleanup_errors=True) as folder:
        shutil.copy(test, folder)
        shutil.copy(conftest, Path(folder) / "conftest.py")
        (Path(folder) / "pytest.ini").write_text(SETTINGS)
        doors = []
        if places:
            doors = [PortForward(os.path.join(folder, f"{name}.socket"), place) for name, place in places.items()]
            environment = {name: urlsplit(address).path for name, address in environment.items()}
        process = start_test(folder, test.name, environment, walled=bool(places))
        output = bytearray()
        reader = threading.Thread(target=_read, args=(process.stdout, output), daemon=True)
        reader.start()
        try:
            code = process.wait(RUN_LIMIT)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
            reader.join(2)
            for door in doors:
                door.stop()
            if not reader.is_alive():  # else something that fled holds the other end
                process.stdout.close()
    return Run(_result(code, test.name), output.decode(errors="replace"), time.monotonic() - began)


def _read(pipe, output):
    for data in iter(lambda: pipe.read1(65536), b""):
        output += data
        del output[:-OUTPUT_LIMIT]


def _result(code, name):
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


def first_error(output):
    """The lines of pytest's output that say why a file could not be read."""
    found = re.findall(r"^E\s+(.*)$", output, re.M)
    return " ".join(" ".join(found[-2:]).split())[:300]
