"""A command that takes its time: a real child process that reports to the service and waits to be released.

``PRICE_COMMAND token`` prints the reply as digits.  It is a small script that connects to the service, so the service
sees each process that was really started.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from autograder.services.base import ServiceError
from autograder.services.gate import SocketGate

SCRIPT = """#!{python} -IS
import socket, sys

with socket.create_connection(("127.0.0.1", {port})) as connection:
    connection.sendall(b"{secret} " + sys.argv[1].encode() + b"\\n")
    reply = connection.makefile().readline()
print(reply.strip())
sys.exit(0 if reply else 1)
"""


class Commands(SocketGate):
    """The script; it reports to the gate's port."""

    spawns = True

    def __init__(self) -> None:
        if os.name == "nt":
            raise ServiceError("Slow commands need a system with scripts that can be run. Use Linux or macOS.")
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="course-commands-"))
        self.command = self.folder / "price"
        self.command.write_text(SCRIPT.format(python=sys.executable, port=self.port, secret=self.secret))
        self.command.chmod(0o755)  # the folder is closed to other users

    @property
    def environment(self) -> dict[str, str]:
        return {"PRICE_COMMAND": str(self.command)}

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)
