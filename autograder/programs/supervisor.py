"""Runs a server for as long as its owner lives: ``python -I supervisor.py FOLDER USER SIGNAL SOCKET COMMAND...``.

USER is the user that the server runs as, or "-" for the current one. SIGNAL (INT or TERM) is the signal that stops it.
SOCKET is the path of a Unix socket on which a server without a network listens: the supervisor forwards a port of loopback
to it, and prints the port as a line. With "-", nothing is forwarded, and the line is "-".

When stdin closes, the owner has ended, for whatever reason: the server and all that it started are killed, and FOLDER with
its data is removed. (A killed process can't clean up after itself, so the supervisor outlives it.)

A server whose processes together use too much memory, disk or CPU time is stopped as well.
"""

from __future__ import annotations

import collections
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

if os.name == "posix":
    import resource  # not later: the server's user may not be able to read the standard library

MEMORY_LIMIT = 1 << 29  # bytes of all processes of a server together, without shared memory
PROCESS_MEMORY_LIMIT = 768 << 20  # bytes of one process
FILE_LIMIT = 128 << 20  # bytes of one file
DISK_LIMIT = 512 << 20  # bytes of the server's folder
POLL_INTERVAL_S = 0.5  # s between two checks of memory and CPU time
POLLS_PER_DISK_POLL = 2  # walking through a folder takes longer
CPU_WINDOW_S = 60.0  # s of wall-clock time ...
# ... in which a server may use this much CPU time; the queries of the course's apps take milliseconds
CPU_LIMIT_S = 45.0


def main(folder: str, user: str, ended_by: str, socket: str, command: list[str]) -> None:
    """Run the server until it ends or stdin does."""
    others: dict = {}
    if user != "-":
        import pwd

        others = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    if socket != "-":
        command, others["pass_fds"] = filtered(command)
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True, cwd=folder,
        preexec_fn=limit if os.name == "posix" else None, **others,
    )  # fmt: skip
    print(forwarded_port(socket), flush=True)

    def owner_gone() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        end(server, ended_by)

    threading.Thread(target=owner_gone, daemon=True).start()
    if os.path.isdir("/proc/self/task"):
        threading.Thread(target=watch, args=(server, folder), daemon=True).start()
    server.wait()
    end(server, ended_by)
    shutil.rmtree(folder, ignore_errors=True)


def filtered(command: list[str]) -> tuple[list[str], tuple[int, ...]]:
    """Return (bubblewrap's command with a system call filter, the file descriptors that it needs)."""
    import syscall_filter

    code = syscall_filter.program(shared_memory=True)
    if code is None:
        return command, ()
    file = os.memfd_create("filter")
    os.write(file, code)
    os.lseek(file, 0, os.SEEK_SET)
    return [command[0], "--seccomp", str(file), *command[1:]], (file,)


def forwarded_port(path: str) -> int | str:
    """Forward a port of loopback to the Unix socket at ``path``, and return the port; return "-" if the path is "-"."""
    if path == "-":
        return "-"
    import socket

    from proxy import Proxy

    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    Proxy().carry(listener, path)
    return listener.getsockname()[1]


def limit() -> None:
    """Set the limits of one process of the server, which its children inherit."""
    for number, most in (
        (resource.RLIMIT_DATA, PROCESS_MEMORY_LIMIT),
        (resource.RLIMIT_FSIZE, FILE_LIMIT),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(number)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(number, (most, most))


def watch(server: subprocess.Popen[bytes], folder: str) -> None:
    """Kill a server that uses more memory, disk or CPU time than it may."""
    import procfs

    polls, meter = 0, CpuMeter()
    while server.poll() is None:
        polls += 1
        processes = [server.pid, *procfs.descendants(server.pid, zombies=True)]
        used = sum(map(procfs.reaped_cpu_s, processes))
        too_much = sum(map(procfs.own_memory, processes)) > MEMORY_LIMIT or meter.too_much(time.monotonic(), used)
        if not too_much and polls % POLLS_PER_DISK_POLL == 0:
            too_much = disk_use(folder) > DISK_LIMIT
        if too_much:
            kill(server)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(POLL_INTERVAL_S)


class CpuMeter:
    """Detects when more than `CPU_LIMIT_S` of CPU time was used within `CPU_WINDOW_S`."""

    def __init__(self) -> None:
        self._seen: collections.deque[tuple[float, float]] = collections.deque()

    def too_much(self, now: float, used: float) -> bool:
        """Record that ``used`` CPU seconds in total have been used at the time ``now``; return True if that is too much."""
        self._seen.append((now, used))
        while now - self._seen[0][0] > CPU_WINDOW_S:
            self._seen.popleft()
        return used - self._seen[0][1] > CPU_LIMIT_S


def disk_use(folder: str) -> int:
    """Return how many bytes on disk the files of a folder take."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += 512 * os.lstat(os.path.join(place, name)).st_blocks
    return total


def end(server: subprocess.Popen[bytes], ended_by: str) -> None:
    """Send the stop signal first, because a server that shuts down also reaps its children. Then kill what is left."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        if ended_by == "KILL":
            kill(server)
        else:
            server.send_signal(getattr(signal, f"SIG{ended_by}") if hasattr(os, "killpg") else signal.SIGTERM)
        server.wait(5)
    kill(server)


def kill(server: subprocess.Popen[bytes]) -> None:
    """Kill the server's process group. Its sandbox, if it has one, ends with it."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(server.pid, signal.SIGKILL)
        else:
            server.kill()


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder, user, ended_by, socket, *command = sys.argv[1:]
    main(folder, user, ended_by, socket, command)
