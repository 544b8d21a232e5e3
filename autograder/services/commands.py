"""A slow command: a real child process that connects to the service and waits until it's released.

``PRICE_COMMAND token`` prints the reply as digits. It's a small script that connects to the service, so the service sees
each process that was really started.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from autograder import paths
from autograder.services.base import ServiceError
from autograder.services.gate import SocketGate

SCRIPT = """{start}
import socket, sys

with socket.create_connection(("127.0.0.1", {port})) as connection:
    connection.sendall(b"{secret} " + sys.argv[1].encode() + b"\\n")
    reply = connection.makefile().readline()
print(reply.strip())
sys.exit(0 if reply else 1)
"""


class Commands(SocketGate):
    """The script, and the gate to whose port it connects."""

    spawns = True

    def __init__(self) -> None:
        if os.name == "nt":
            raise ServiceError("Slow commands need a system with scripts that can be run. Use Linux or macOS.")
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="course-commands-", dir=executable_folder()))
        self.command = self.folder / "price"
        self.command.write_text(SCRIPT.format(start=first_lines(sys.executable), port=self.port, secret=self.secret))
        self.command.chmod(0o755)  # other users have no access to the folder

    @property
    def environment(self) -> dict[str, str]:
        return {"PRICE_COMMAND": str(self.command)}

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def first_lines(python: str) -> str:
    """Return the first lines of a script for the interpreter ``python``, whatever its path is.

    A ``#!`` line can't name a program whose path contains a space or has more than about 120 bytes. The shell starts it then,
    with a line that is a string to Python.
    """
    if " " not in python and len(os.fsencode(python)) < 120:
        return f"#!{python} -IS"
    return f"#!/bin/sh\n'''exec' {shlex.quote(python)} -IS \"$0\" \"$@\"\n' '''"


def executable_folder() -> str:
    """Return a folder for temporary files in which programs can be executed. ``/tmp`` may be mounted ``noexec``."""
    for folder in (tempfile.gettempdir(), "/var/tmp", "/dev/shm", str(paths.ROOT / ".course")):
        if os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
            return folder
    return tempfile.gettempdir()
