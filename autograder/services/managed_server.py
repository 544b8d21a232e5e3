"""Starts a server program that comes in a wheel, in its own folder, which is removed when the server ends."""

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
STOP_LIMIT_S = 60.0  # s: only for a supervisor that doesn't notice its owner's end, or can't stop the server
NOBODY = "nobody"  # the user as which root runs servers without a sandbox, because some refuse to run as root

Ready = TypeVar("Ready")


class ManagedServer:
    """A server process that its supervisor stops when its owner ends. ``folder`` is its own folder.

    Where bubblewrap works, the server runs in a sandbox (see `server_profile`) and can be reached only through a Unix socket
    in ``folder``: `sandboxed` is then True, and the supervisor forwards `port` of loopback to that socket. Elsewhere the
    server must listen on `port` of loopback itself.

    ``ended_by`` names the signal for a fast shutdown. In a sandbox the server is killed, because its data is removed anyway.
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
        """Return a folder of programs that the server's user can read: a copy, if a parent folder may deny access."""
        if not self._nobody:
            return folder  # it's mounted in the sandbox
        for part in (folder.name, folder.name + ".libs"):
            if (folder.parent / part).is_dir():
                shutil.copytree(folder.parent / part, self.folder / part, symlinks=True)
        return self.folder / folder.name

    def write(self, name: str, text: str) -> Path:
        """Create a file in the folder that only the server's user can read; return its path."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        self._give(path)
        return path

    def make_folder(self, name: str) -> Path:
        """Create a subfolder that only the server's user can read; return its path."""
        path = self.folder / name
        path.mkdir(mode=0o700)
        self._give(path)
        return path

    def _words(self, shown: Iterable[Path], setup: bool) -> list[str]:
        if not self.sandboxed:
            return []
        return server_profile.command(self.folder, shown, self._user.id if self._user else None, setup)

    def run(self, command: Iterable[object], shown: Iterable[Path] = ()) -> None:
        """Run a command as the server's user, until it ends. Raises `ServiceError` with the end of its output.

        ``shown`` are the files and folders that it needs in addition to the system's.
        """
        words = self._words(shown, setup=True)
        if self.sandboxed and (nameless := _nameless(self._user.id if self._user else os.geteuid())):
            # the setup program looks up the name of its user
            self.write("passwd", f"server:x:{nameless}:{nameless}::/:/bin/sh\n")
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
        """Start the server and wait until ``ready()`` doesn't raise; return its result.

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
        """Stop the server, and remove its folder."""
        if self.process is not None:
            self.process.end(STOP_LIMIT_S)  # the supervisor stops the server and removes the folder first
            self.process.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._user is not None:
            self._user.free()
            self._user = None


def free_port() -> int:
    """Return a port of this machine on which no process listens at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _nameless(user: int) -> int | None:
    """Return the user id if the system has no name for it, as for sandbox users and in some containers; else None."""
    import pwd

    try:
        pwd.getpwuid(user)
    except KeyError:
        return user
    return None
