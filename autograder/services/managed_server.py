"""Starts a server program that comes in a wheel, in a folder of its own that goes when the server goes."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autograder.paths import PROGRAMS
from autograder.services.base import ServiceError

SUPERVISOR = PROGRAMS / "supervisor.py"
START_LIMIT = 60.0  # s


class ManagedServer:
    """A server process kept by the keeper; ``folder`` is its own.

    ``instead_of_root`` is whom it runs as if we are root (some servers refuse to); ``user`` is then that name, else None.
    ``ended_by`` names the signal that asks this server to end soon.
    """

    def __init__(self, name, instead_of_root=None, ended_by="INT"):
        self.name = name
        self.ended_by = ended_by
        self.folder = Path(tempfile.mkdtemp(prefix=f"course-{name}-"))
        self.user = instead_of_root if hasattr(os, "geteuid") and os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        self.process = None

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def write(self, name, text):
        """A file in the folder that only the server's user can read; returns its path."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        if self.user:
            shutil.chown(path, self.user)
        return path

    def run(self, command):
        """Run a command to its end, as the server's user; raises `ServiceError` with its last words."""
        done = subprocess.run(command, user=self.user, cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            self.stop()
            raise ServiceError(f"{self.name} could not be set up: {(done.stderr or done.stdout).strip()[-300:]}")

    def start(self, command, ready):
        """Start the server and wait until ``ready()`` does not raise; returns what it returns."""
        self.process = subprocess.Popen(
            [sys.executable, "-I", SUPERVISOR, self.folder, self.user or "-", self.ended_by, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                return ready()
            except Exception as error:
                if not self.alive or time.monotonic() > deadline:
                    self.stop()
                    raise ServiceError(f"{self.name} did not start: {error}") from None
            time.sleep(0.02)

    def stop(self):
        if self.process is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    """A port of this machine that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
