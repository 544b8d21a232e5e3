"""Starts a server program that comes in a wheel, in a folder of its own that goes when the server goes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from autograder.managed_process import ManagedProcess
from autograder.paths import PROGRAMS
from autograder.sandbox import launcher, server_profile
from autograder.services.base import ServiceError

SUPERVISOR = PROGRAMS / "supervisor.py"
START_LIMIT_S = 60.0  # s
NOBODY = "nobody"  # whom root runs servers as where there is no sandbox; some refuse to run as root

Ready = TypeVar("Ready")


class ManagedServer:
    """A server process that its supervisor ends with its owner; ``folder`` is its own.

    Where bubblewrap works the server runs in a sandbox (see `server_profile`), and only a Unix socket in ``folder`` leads
    to it: `sandboxed` is True then, and `port` is a port of loopback from which bytes are carried to that socket.
    Elsewhere the server must listen on `port` of loopback itself.

    ``ended_by`` names the signal that asks this server to end soon; in a sandbox it's killed, its data goes anyway.
    """

    def __init__(self, name: str, ended_by: str = "INT") -> None:
        self.name = name
        self.ended_by = ended_by
        self.folder = Path(tempfile.mkdtemp(prefix=f"course-{name}-", dir=launcher.socket_folder(60)))
        self.process: ManagedProcess | None = None
        self.port = 0
        self._user: launcher.SandboxUser | None = None
        long = len(os.fsencode(self.folder)) > server_profile.SOCKET_PATH_LIMIT - 20
        self.sandboxed = not long and server_profile.unavailable() is None
        if not self.sandboxed:
            self.port = free_port()
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        self._nobody = NOBODY if root and not self.sandboxed else None
        if root and self.sandboxed:
            self._user = launcher.free_user()
        self._give(self.folder)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.alive

    def _give(self, path: Path) -> None:
        """Make the server's user the owner of a file or folder."""
        if self._user is not None:
            os.chown(path, self._user.id, self._user.id)
        elif self._nobody:
            shutil.chown(path, self._nobody)

    def reachable(self, folder: Path) -> Path:
        """A folder of programs where the server's user can reach it: a copy, if it may lie behind a closed one."""
        if not self._nobody:
            return folder  # a sandbox shows it
        for part in (folder.name, folder.name + ".libs"):
            if (folder.parent / part).is_dir():
                shutil.copytree(folder.parent / part, self.folder / part, symlinks=True)
        return self.folder / folder.name

    def write(self, name: str, text: str) -> Path:
        """A file in the folder that only the server's user can read; returns its path."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        self._give(path)
        return path

    def make_folder(self, name: str) -> Path:
        """A folder in the folder that only the server's user can read; returns its path."""
        path = self.folder / name
        path.mkdir(mode=0o700)
        self._give(path)
        return path

    def _words(self, shown: Iterable[Path], setup: bool) -> list[str]:
        if not self.sandboxed:
            return []
        return server_profile.command(self.folder, shown, self._user.id if self._user else None, setup)

    def run(self, command: Iterable[object], shown: Iterable[Path] = ()) -> None:
        """Run a command to its end, as the server's user; raises `ServiceError` with its last words.

        ``shown`` are the files and folders that it needs beside the system's.
        """
        if self._user is not None:  # its set-up wants to know the name of who it is
            self.write("passwd", f"server:x:{self._user.id}:{self._user.id}::/:/bin/sh\n")
        words = self._words(shown, setup=True)
        if self._user is not None:
            end = words.index("--remount-ro")
            words[end:end] = ["--ro-bind", str(self.folder / "passwd"), "/etc/passwd"]
        done = subprocess.run(
            [*words, *map(str, command)], user=self._nobody, cwd=self.folder, capture_output=True, text=True
        )
        if done.returncode:
            self.stop()
            raise ServiceError(f"{self.name} could not be set up: {(done.stderr or done.stdout).strip()[-300:]}")

    def start(
        self,
        command: Iterable[object],
        ready: Callable[[], Ready],
        listens: Path | None = None,
        shown: Iterable[Path] = (),
    ) -> Ready:
        """Start the server and wait until ``ready()`` doesn't raise; returns what it returns.

        ``listens`` is the Unix socket on which a sandboxed server listens, ``shown`` are the files and folders that it needs.
        """
        words = [*self._words(shown, setup=False), *map(str, command)]
        ended_by = "KILL" if self.sandboxed else self.ended_by
        place = str(listens) if self.sandboxed and listens else "-"
        self.process = ManagedProcess(
            [sys.executable, "-I", SUPERVISOR, self.folder, self._nobody or "-", ended_by, place, *words]
        )
        port = next(self.process.lines(), "").strip()
        if port.isdigit():
            self.port = int(port)
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                return ready()
            except Exception as error:
                if not self.alive or time.monotonic() > deadline:
                    self.stop()
                    raise ServiceError(f"{self.name} did not start: {error}") from None
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server, and remove its folder."""
        if self.process is not None:
            self.process.end(None)  # it ends the server and removes the folder first
            self.process.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._user is not None:
            self._user.free()
            self._user = None


def free_port() -> int:
    """A port of this machine that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
