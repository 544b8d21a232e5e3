"""Runs a server for as long as its owner lives: ``python -I supervisor.py FOLDER USER SIGNAL COMMAND...``.

USER is whom the server runs as, or "-" for whoever we are; SIGNAL (INT or TERM) asks it to end.

When stdin closes the owner is gone, however it went: the server and all that it started are killed and the FOLDER
with its data is removed.  (A killed process cannot clean up after itself; this one outlives it for that.)
"""

import os
import shutil
import signal
import subprocess
import sys
import threading


def main(folder, user, ended_by, command):
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, cwd=folder, user=None if user == "-" else user
    )

    def owner_gone():
        while sys.stdin.buffer.read(4096):
            pass
        end(server, ended_by)

    threading.Thread(target=owner_gone, daemon=True).start()
    server.wait()
    end(server, ended_by)
    shutil.rmtree(folder, ignore_errors=True)


def end(server, ended_by):
    """Ask first: a server that is asked also reaps its own children.  Then kill whatever is left."""
    try:
        server.send_signal(getattr(signal, f"SIG{ended_by}") if hasattr(os, "killpg") else signal.SIGTERM)
        server.wait(5)
    except (OSError, subprocess.TimeoutExpired):
        pass
    try:
        if hasattr(os, "killpg"):
            os.killpg(server.pid, signal.SIGKILL)
        else:
            server.kill()
    except OSError:
        pass


if __name__ == "__main__":
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
