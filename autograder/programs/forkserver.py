"""Starts apps quickly, each in a sandbox: a process that has imported what apps import, and forks for each app.

`autograder.sandbox.launcher` starts it by path as ``python -I forkserver.py FD LEVEL UID PLACE PROGRAM``, before there is
any learner's code, and, at the level ``namespaces``, inside the read-only root that bubblewrap has built. It holds no
secrets. PROGRAM says what it forks: "app" serves a learner's app, "test" runs pytest on a learner's test.

Orders come on the socket FD, and forks introduce themselves (`messages.sandbox`). Six file descriptors come with the order
to start a program: its stdin, stdout and stderr, the socket on which it listens, the socket for its introduction, and the
files of its folder. The order creates these processes:

* At the level ``namespaces``, a first process in new namespaces (process ids, network, IPC and mounts). It opens the
  listeners for the services, passes them to the owner, and then is the sandbox's init: when the app ends, every other
  process in the sandbox ends, and the init reports the app's exit code to the owner.
* The app's process, which sets its limits, drops all privileges, and serves the learner's file.

When the socket closes, the owner has ended, and everything is killed.
"""

from __future__ import annotations

import array
import base64
import contextlib
import ctypes
import fcntl
import importlib
import json
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.programs.messages import decode, encode, sandbox
else:  # started by path: the folder isn't a package
    _HERE = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, _HERE)
    from messages import decode, encode, sandbox

    sys.path.remove(_HERE)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import procfs  # noqa: E402, started by path: the folder isn't a package

sys.path.remove(HERE)

APP_IMPORTS = (
    "asyncio", "concurrent.futures", "contextvars", "functools", "hashlib", "json", "random", "sqlite3", "ssl",
    "subprocess", "threading", "typing", "uuid",
    "fastapi", "fastapi.responses", "pydantic",
    "uvicorn", "uvicorn.lifespan.on", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto",
    "httpx", "asyncpg", "psycopg", "redis.asyncio", "aiofiles", "aiofiles.os",
    "pydantic.v1",  # FastAPI imports it with the first route; `app_warm_up` has what the first request needs
)  # fmt: skip
# Without pytest_asyncio: pytest warns about plugins that were imported before it could rewrite their assertions.
TEST_IMPORTS = ("asyncio", "encodings.idna", "httpx", "json", "subprocess", "_pytest.config", "pytest")

NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 36, 38, 47, 4
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
HOUSE_POLL_INTERVAL_S = 0.2  # s between two checks of what a sandbox uses
UNCLEAR_CHECKS = (
    25  # checks in succession in which processes end while they're counted, before all are stopped to be counted
)
UNCLEAR_EXACT = 13  # such checks that one counts for in which the quick sum was too much: two of them are enough
STOP_LIMIT_S = 0.5  # s that they get to stop
GOING_ON = ("R", "S")  # states of a process that hasn't stopped
ADDRESS_SPACE = 8  # times the memory limit of a process, because unused mappings need page tables
SOCKET_MEMORY = 384 << 10  # bytes that the kernel may use for one socket: two buffers, and the options (optmem_max)
TCP_BUFFERS = "4096 16384 131072"  # bytes: minimum, default and maximum of a buffer; the system's maximum is several MB

libc = ctypes.CDLL(None, use_errno=True)


def checked(what: str, result: int) -> None:
    """Raise `OSError` if the ``result`` of a C call says that it failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def prctl(*numbers: int) -> None:
    """Call prctl(2).  Raises `OSError`."""
    checked("prctl", libc.prctl(*map(ctypes.c_ulong, numbers)))


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Call mount(2).  Raises `OSError`."""
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    checked(f"mount {target}", libc.mount(*arguments))


class Forkserver:
    """Carries out orders, and forks one process for each app."""

    def __init__(self, control: socket.socket, level: str, uid: int | None, place: str, program: str) -> None:
        self.control = control
        self.level = level
        self.uid = uid  # the user that apps run as, or None for the current one
        self.place = place  # the one folder that is writable in a sandbox
        self.program = program
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY) if level == "namespaces" else None

    def run(self) -> None:
        """Take orders until the owner closes its end of the socket."""
        while True:
            data, ancillary, _, _ = self.control.recvmsg(1 << 16, socket.CMSG_SPACE(6 * 4))
            if not data:
                return  # the owner has ended
            order: sandbox.ForkserverOrder = decode(data, *sandbox.FORKSERVER_ORDERS)
            handed = descriptors(ancillary)
            if isinstance(order, sandbox.StartProgram):
                self.start(order, handed)
            else:
                if isinstance(order, sandbox.Sweep):
                    self.sweep()
                self.ready()
            for number in handed:
                os.close(number)

    def ready(self) -> None:
        """Report to the owner that an order is carried out."""
        self.control.send(encode(sandbox.ForkserverReady()).encode())

    def start(self, order: sandbox.StartProgram, handed: list[int]) -> None:
        """Fork a process for an app, and at the level ``namespaces`` the first process of its sandbox."""
        if self.level != "namespaces":
            if os.fork() == 0:
                guarded(lambda: self.app(order, handed), handed[4])
            return
        # the next child is the first process of a new PID namespace; this process stays in its own
        checked("unshare", libc.unshare(NEWPID))
        try:
            if os.fork() == 0:
                guarded(lambda: self.init(order, handed), handed[4])
        finally:
            checked("setns", libc.setns(self.own_pids, NEWPID))

    def init(self, order: sandbox.StartProgram, handed: list[int]) -> None:
        """Run the first process of a sandbox: build the rest of it, start the app, report its exit code, and exit."""
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        checked("unshare", libc.unshare(NEWNS | NEWNET | NEWIPC | NEWUTS))
        mount("none", "/", "", MS_REC | MS_PRIVATE)
        for folder in (self.place, "/dev/shm"):
            mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, f"size={order.limits.disk},nr_inodes=4096,mode=1777")
        for path, name in order.aliases.items():
            if path != name:  # it's inside `place`, which is empty now
                os.makedirs(path, exist_ok=True)
                mount(name, path, "", MS_BIND | MS_REC)
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        socket.sethostname("course")
        with socket.socket() as lo:
            fcntl.ioctl(lo, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_RUNNING))
        for name in ("tcp_rmem", "tcp_wmem"):
            with contextlib.suppress(OSError), open(f"/proc/sys/net/ipv4/{name}", "w") as file:
                file.write(TCP_BUFFERS)  # for this network namespace only
        listeners = [socket.create_server(("127.0.0.1", port), backlog=256) for port in order.ports]
        os.makedirs(order.folder, exist_ok=True)
        paths = [order.folder, *unpack(handed[5], order.folder)]
        if self.uid is not None:
            for path in paths:
                os.chown(path, self.uid, self.uid)
        else:
            with contextlib.suppress(OSError), open("/proc/sys/user/max_user_namespaces", "w") as file:
                file.write("0")  # no process in the sandbox can create namespaces
        introduce(handed[4], sandbox.SandboxBuilt(), listeners)
        for listener in listeners:
            listener.close()
        app = os.fork()
        if app == 0:
            self.app(order, handed)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        drop_rights(self.uid)
        # no process in the sandbox may inspect or trace its init
        prctl(PR_SET_DUMPABLE, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        close_all_but({handed[4]})
        code = keep_house(app, order.limits.memory, order.limits.together)
        introduce(handed[4], sandbox.ProgramEnded(code))
        os._exit(code)

    def app(self, order: sandbox.StartProgram, handed: list[int]) -> None:
        """Run the app's process, with limits and without privileges; never returns."""
        stdin, stdout, stderr, listening, introduction = handed[:5]
        # its own session, separate from that of the sandbox's init: Linux shares CPU time among sessions first
        # (sched_autogroup), so many processes in this one can't starve the init
        os.setsid()
        set_limits(order.limits)
        drop_rights(self.uid)
        prctl(PR_SET_DUMPABLE, 1)  # as for any other process: it may read its own files in /proc
        # the signal handlers with which Python itself starts
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(order.folder)
        os.environ.clear()
        os.environ.update(order.environment)
        time.tzset()
        introduce(introduction, sandbox.ProgramStarts())
        os.read(introduction, 1)  # the owner knows this process's id now
        test = self.program == "test"
        sock = socket.socket(fileno=os.dup(listening))
        for number, target in ((stdin, 0), (stdout, 1), (stdout if test else stderr, 2)):
            os.dup2(number, target)
        # before the introduction is closed: until then a failure can be reported, and no code of the learner's has run
        sys.modules["syscall_filter"].apply()
        close_all_but(() if test else {sock.fileno()})
        self.control.detach()
        if test:
            run = sys.modules["run_pytest"]
            sys.argv = [str(run.__file__), order.name]
            os._exit(finish(run.main(order.name)))
        file = os.path.join(order.folder, order.name)
        serve = sys.modules["serve_app"]
        sys.argv = [str(serve.__file__), file]
        os._exit(finish(serve.main(file, sock)))

    def sweep(self) -> None:
        """Kill processes that apps have left behind, at levels without a sandbox's init."""
        if self.uid is not None:
            # only a process of that user can kill all of the user's processes at once, without a race
            child = os.fork()
            if child == 0:
                with contextlib.suppress(OSError):
                    os.setresgid(self.uid, self.uid, self.uid)
                    os.setresuid(self.uid, self.uid, self.uid)
                    os.kill(-1, signal.SIGKILL)
                os._exit(0)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
            return
        # as a subreaper, this process adopts those that left their group when their parent ends
        while left := procfs.descendants(os.getpid()):
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            collect()
            time.sleep(0.001)


def unpack(number: int, folder: str) -> list[str]:
    """Write the files of the order to ``folder``; return their paths."""
    with os.fdopen(os.dup(number)) as packed:
        files = json.load(packed)
    paths = [os.path.join(folder, name) for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
    return paths


def finish(code: int) -> int:
    """Flush stdout and stderr, and return ``code``."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    return code


def guarded(work: Callable[[], object], introduction: int) -> None:
    """Run the work of a new fork. If it fails, report why and exit."""
    try:
        work()
    except BaseException as problem:
        with contextlib.suppress(OSError):
            introduce(introduction, sandbox.ProgramFailed(f"{type(problem).__name__}: {problem}"[:500]))
    os._exit(70)


def introduce(number: int, message: sandbox.Introduction, listeners: Sequence[socket.socket] = ()) -> None:
    """Send the owner a ``message`` about this process. The kernel adds its process id in the owner's PID namespace."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno() for listener in listeners]))]
    with socket.socket(fileno=os.dup(number)) as sock:
        sock.sendmsg([encode(message).encode()], rights if listeners else [])


def descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """Return the file descriptors in the ancillary data of a message."""
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


def set_limits(limits: sandbox.Limits) -> None:
    """Set the resource limits of this process, none of them above its current hard limit."""
    for name, value in (
        ("RLIMIT_DATA", limits.memory),
        ("RLIMIT_AS", ADDRESS_SPACE * limits.memory),
        ("RLIMIT_NPROC", limits.processes),
        ("RLIMIT_NOFILE", limits.open_files),
        ("RLIMIT_FSIZE", limits.disk),
        ("RLIMIT_CPU", limits.cpu),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_MEMLOCK", 1 << 20),
    ):
        if value is not None:
            hard = resource.getrlimit(getattr(resource, name))[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(getattr(resource, name), (value, value))


def drop_rights(uid: int | None) -> None:
    """Change to the user ``uid`` (None for the current one), without capabilities and with no way to gain any."""
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability)) != 0:
            break  # there are no more of them, or no right to drop them, and then none can be gained either
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = struct.pack("Ii", 0x20080522, 0)
    checked("capset", libc.capset(header, bytes(24)))


def close_all_but(kept: Iterable[int]) -> None:
    """Close all file descriptors except ``kept`` and the three standard streams."""
    numbers = sorted({0, 1, 2, *kept})
    for low, high in zip(numbers, [*numbers[1:], 1 << 20], strict=True):
        os.closerange(low + 1, high)


def keep_house(app: int, memory: int, together: int) -> int:
    """Reap processes until the app has ended, and return its exit code.

    It's 128 plus the signal's number if a signal ended the app. It's 137 as soon as all processes in the sandbox together
    use more than ``memory`` bytes, or are more than ``together``: this stops a fork bomb without waiting for the time limit
    of a start.
    """
    house = House(memory, together)
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == app:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if pid == 0:
            if house.uses_too_much():
                return 137
            signal.sigtimedwait({signal.SIGCHLD}, HOUSE_POLL_INTERVAL_S)


class House:
    """What the processes in the sandbox use together: at most ``memory`` bytes, and they're at most ``together``."""

    def __init__(self, memory: int, together: int) -> None:
        self.memory = memory
        self.together = together
        self._ended: set[int] = set()  # the processes that had ended at the newest check
        self._unclear = 0  # the newest checks in succession in which others ended meanwhile

    def uses_too_much(self) -> bool:
        """Return True if the processes together use too much memory, or are too many.

        Each process may fork and end before it's counted, and the memory is the next one's. So all are stopped for the count if
        that happens again and again.
        """
        others = processes()
        too_much, exact = self._count(others)
        if too_much:
            return True
        ended = {pid for pid in others if procfs.own_memory(pid) == 0}
        unclear, self._ended = not ended <= self._ended, ended
        self._unclear = self._unclear + (UNCLEAR_EXACT if exact else 1) if unclear else 0
        if self._unclear < UNCLEAR_CHECKS:
            return False
        self._unclear = 0
        return self._count_stopped()

    def _count(self, others: list[int]) -> tuple[bool, bool]:
        """Return (whether these processes use too much, whether the exact sum was needed to tell)."""
        # the quick sum counts what forks share once for each of them; it comes first, because the others wait for a process that forks
        quick = sum(map(procfs.own_memory, others))
        total = SOCKET_MEMORY * procfs.socket_count()
        for pid in others:
            total += procfs.kernel_memory(pid, len(others))
            if total > self.memory:  # at once: to read many mappings takes a while, in which there can be more of them
                return True, False
        exact = len(others) <= self.together and total + quick > self.memory
        for pid in others if exact else ():
            total += procfs.proportional_memory(pid)
            # the exact sum waits for each process that is being forked, and meanwhile they may become too many
            if total > self.memory or len(processes()) > self.together:
                return True, True
        return len(others) > self.together or procfs.has_many_locks(), exact

    def _count_stopped(self) -> bool:
        """Stop all processes, and return True if they use too much."""
        with contextlib.suppress(OSError):
            os.kill(-1, signal.SIGSTOP)
        try:
            deadline = time.monotonic() + STOP_LIMIT_S
            while any(procfs.process_times(pid)[0] in GOING_ON for pid in processes()) and time.monotonic() < deadline:
                time.sleep(0.001)
            return self._count(processes())[0]
        finally:
            with contextlib.suppress(OSError):
                os.kill(-1, signal.SIGCONT)


def processes() -> list[int]:
    """Return the ids of the sandbox's processes, except the first one, which is the caller."""
    return [pid for pid in procfs.process_ids() if pid != 1]


def collect() -> None:
    """Reap the children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main(number: str, level: str, uid: str, place: str, program: str) -> None:
    """Import what programs need, report ready, and carry out orders until the owner ends."""
    control = socket.socket(fileno=int(number))
    os.umask(0o022)  # apps that run as another user must be able to read what is mounted for them
    forkserver = Forkserver(control, level, None if uid == "-" else int(uid), place, program)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner
    sys.path.insert(0, HERE)
    importlib.import_module("syscall_filter")
    if program == "test":
        importlib.import_module("run_pytest")
    else:
        folder = importlib.import_module("serve_app").WATCHDOG
        sys.path.insert(0, folder)
        importlib.import_module("loop_watchdog")
        importlib.import_module("app_warm_up")
        sys.path.remove(folder)
    sys.path.remove(HERE)
    for name in TEST_IMPORTS if program == "test" else APP_IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if program != "test":
        sys.modules["app_warm_up"].import_lazily_loaded()
    for name in [name for name in sys.modules if name.partition(".")[0] == "messages"]:
        del sys.modules[name]  # a learner's module may have that name
    import gc

    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, lambda *_: collect())
    forkserver.ready()
    try:
        forkserver.run()
    finally:
        if level != "namespaces":
            forkserver.sweep()


if __name__ == "__main__":
    main(*sys.argv[1:])
