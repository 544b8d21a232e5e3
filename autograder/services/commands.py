"""A command that takes its time: a real child process that reports to the service and waits to be let go.

``PRICE_COMMAND token`` prints the reply as digits.  It is a small script that connects to the service, so the service
sees each process that was really started.
"""

import contextlib
import os
import shutil
import socket
import sys
import tempfile
import threading
from pathlib import Path

from .base import ServiceError
from .gate import Gate

SCRIPT = """#!{python} -IS
import socket, sys

with socket.create_connection(("127.0.0.1", {port})) as connection:
    connection.sendall(sys.argv[1].encode() + b"\\n")
    reply = connection.makefile().readline()
print(reply.strip())
sys.exit(0 if reply else 1)
"""


class Commands(Gate):
    """The script, and the listener that it reports to."""

    def __init__(self):
        super().__init__()
        if os.name == "nt":
            raise ServiceError("Slow commands need a system with scripts that can be run. Use Linux or macOS.")
        self.folder = Path(tempfile.mkdtemp(prefix="course-commands-"))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.command = self.folder / "price"
        self.command.write_text(SCRIPT.format(python=sys.executable, port=self._listener.getsockname()[1]))
        self.command.chmod(0o755)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def environment(self):
        return {"PRICE_COMMAND": str(self.command)}

    @property
    def alive(self):
        return self._thread.is_alive()

    def prepare(self, tokens):
        """Nothing to do: a reply is made when a process asks."""

    def stop(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._thread is not threading.current_thread():
            self._thread.join(5)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # stopped
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(10)
            token = connection.makefile().readline(200).strip()
            going = threading.Event()
            self.arrive(token, going.set)
            connection.settimeout(0.05)
            while not going.is_set():
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(1):
                        return self.leave(token)  # the process was killed
            connection.sendall(f"{self.reply(token)}\n".encode())
