"""Starts apps quickly and sandboxes each one: a process that has imported what apps import, and forks for each of them.

`autograder.sandbox.launcher` starts it by path as ``python -I forkserver.py FD LEVEL UID PLACE PROGRAM``, before there is
any learner's code, and, at the level ``namespaces``, inside the read-only root that bubblewrap has built. Nothing in here
is secret. PROGRAM is what it forks: "app" serves a learner's app, "test" runs pytest on a learner's test.

Orders come on the socket FD, and forks introduce themselves (`messages.sandbox`). With the order to start a program come six file descriptors: the app's stdin, stdout and stderr, the socket that it
listens on, one over which it is introduced, and the files of its folder. Of a fork of this process

* at the level ``namespaces`` the first process gets its own process ids, network, IPC and mounts, opens the listeners
  for the services and hands them out, and is then the init of the sandbox: when the app ends, all else in there ends,
  and the init reports the app's exit code to the owner;
* the app's process takes its limits, drops all rights, and serves the learner's file.

When the socket closes, its owner is gone, and everything is killed.
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
else:  # started by path: the folder is no package
    _HERE = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, _HERE)
    from messages import decode, encode, sandbox

    sys.path.remove(_HERE)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import procfs  # noqa: E402, started by path, we are in no package

sys.path.remove(HERE)

APP_IMPORTS = (
    "asyncio", "concurrent.futures", "contextvars", "functools", "hashlib", "json", "random", "sqlite3", "ssl",
    "subprocess", "threading", "typing", "uuid",
    "fastapi", "fastapi.responses", "pydantic",
    "uvicorn", "uvicorn.lifespan.on", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto",
    "httpx", "asyncpg", "psycopg", "redis.asyncio", "aiofiles", "aiofiles.os",
    "pydantic.v1",  # FastAPI imports it when the first route is made; what the first request needs is in `app_warm_up`
)  # fmt: skip
# Not pytest_asyncio: pytest warns of plugins that were imported before it could rewrite their assertions.
TEST_IMPORTS = ("asyncio", "encodings.idna", "httpx", "json", "subprocess", "_pytest.config", "pytest")

NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 36, 38, 47, 4
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
HOUSE_POLL_INTERVAL_S = 0.2  # s between two looks at how much a sandbox uses
ADDRESS_SPACE = 8  # times the memory of a process: what is mapped and not used costs page tables
SOCKET_MEMORY = 256 << 10  # bytes that the system may hold for one socket
TCP_BUFFERS = "4096 16384 131072"  # bytes: the least, the first and the most of a buffer; the system's own most are MB

libc = ctypes.CDLL(None, use_errno=True)


def checked(what: str, result: int) -> None:
    """Raise the `OSError` of a C call that failed."""
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
    """Takes orders and forks, one process for each app."""

    def __init__(self, control: socket.socket, level: str, uid: int | None, place: str, program: str) -> None:
        self.control = control
        self.level = level
        self.uid = uid  # whom apps run as, or None for whoever we are
        self.place = place  # the one folder that is writable in a sandbox
        self.program = program
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY) if level == "namespaces" else None

    def run(self) -> None:
        """Take orders until the owner closes its end of the socket."""
        while True:
            data, ancillary, _, _ = self.control.recvmsg(1 << 16, socket.CMSG_SPACE(6 * 4))
            if not data:
                return  # our owner is gone
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
        """Say to the owner that what was ordered is done."""
        self.control.send(encode(sandbox.ForkserverReady()).encode())

    def start(self, order: sandbox.StartProgram, handed: list[int]) -> None:
        """Fork a process for an app, and at the level ``namespaces`` the first process of its sandbox."""
        if self.level != "namespaces":
            if os.fork() == 0:
                guarded(lambda: self.app(order, handed), handed[4])
            return
        # the next child is the first process of a new namespace of process ids; we stay in our own
        checked("unshare", libc.unshare(NEWPID))
        try:
            if os.fork() == 0:
                guarded(lambda: self.init(order, handed), handed[4])
        finally:
            checked("setns", libc.setns(self.own_pids, NEWPID))

    def init(self, order: sandbox.StartProgram, handed: list[int]) -> None:
        """Be the first process of a sandbox: build the rest of it, start the app, report its end, and end."""
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        checked("unshare", libc.unshare(NEWNS | NEWNET | NEWIPC | NEWUTS))
        mount("none", "/", "", MS_REC | MS_PRIVATE)
        for folder in (self.place, "/dev/shm"):
            mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, f"size={order.limits.disk},nr_inodes=4096,mode=1777")
        for path, name in order.aliases.items():
            if path != name:  # it lies in the place, which is empty now
                os.makedirs(path, exist_ok=True)
                mount(name, path, "", MS_BIND | MS_REC)
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        socket.sethostname("course")
        with socket.socket() as lo:
            fcntl.ioctl(lo, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_RUNNING))
        for name in ("tcp_rmem", "tcp_wmem"):
            with contextlib.suppress(OSError), open(f"/proc/sys/net/ipv4/{name}", "w") as file:
                file.write(TCP_BUFFERS)  # of this network only
        listeners = [socket.create_server(("127.0.0.1", port), backlog=256) for port in order.ports]
        os.makedirs(order.folder, exist_ok=True)
        paths = [order.folder, *unpack(handed[5], order.folder)]
        if self.uid is not None:
            for path in paths:
                os.chown(path, self.uid, self.uid)
        else:
            with contextlib.suppress(OSError), open("/proc/sys/user/max_user_namespaces", "w") as file:
                file.write("0")  # nothing in here makes namespaces of its own
        introduce(handed[4], sandbox.SandboxBuilt(), listeners)
        for listener in listeners:
            listener.close()
        app = os.fork()
        if app == 0:
            self.app(order, handed)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        drop_rights(self.uid)
        # nothing in the sandbox may look into its init, or take it over
        prctl(PR_SET_DUMPABLE, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        close_all_but({handed[4]})
        code = keep_house(app, order.limits.memory, order.limits.together)
        introduce(handed[4], sandbox.ProgramEnded(code))
        os._exit(code)

    def app(self, order: sandbox.StartProgram, handed: list[int]) -> None:
        """Run the process of the app, with limits and without rights; never returns."""
        stdin, stdout, stderr, listening, introduction = handed[:5]
        # a session of its own, also apart from the sandbox's first process: Linux shares the CPUs among sessions first
        # (sched_autogroup), so a crowd in this one can't keep that process from its work
        os.setsid()
        set_limits(order.limits)
        drop_rights(self.uid)
        prctl(PR_SET_DUMPABLE, 1)  # as for any other process of its user: it may look at itself
        # as Python itself starts, which ignores SIGPIPE and makes Ctrl-C an exception
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(order.folder)
        os.environ.clear()
        os.environ.update(order.environment)
        time.tzset()
        introduce(introduction, sandbox.ProgramStarts())
        os.read(introduction, 1)  # we are known by our own process id now
        test = self.program == "test"
        sock = socket.socket(fileno=os.dup(listening))
        for number, target in ((stdin, 0), (stdout, 1), (stdout if test else stderr, 2)):
            os.dup2(number, target)
        # before the introduction is closed: until then a failure of ours can be reported, and nothing of the learner's has run
        sys.modules["syscall_filter"].apply()
        close_all_but(() if test else {sock.fileno()})
        self.control.detach()
        if test:
            run = sys.modules["run_pytest"]
            sys.argv = [run.__file__, order.name]  # type: ignore[list-item]
            os._exit(finish(run.main(order.name)))
        file = os.path.join(order.folder, order.name)
        serve = sys.modules["serve_app"]
        sys.argv = [serve.__file__, file]  # type: ignore[list-item]
        os._exit(finish(serve.main(file, sock)))

    def sweep(self) -> None:
        """Kill whatever apps have left behind, where no sandbox's init does it."""
        if self.uid is not None:
            # only a process of that user can say "all of that user's", without a race
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
        # what flees from its group falls to us when its parent ends: we asked for it
        while left := procfs.descendants(os.getpid()):
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            collect()
            time.sleep(0.001)


def unpack(number: int, folder: str) -> list[str]:
    """Write the files that were handed over; returns their paths."""
    with os.fdopen(os.dup(number)) as packed:
        files = json.load(packed)
    paths = [os.path.join(folder, name) for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
    return paths


def finish(code: int) -> int:
    """Flush what was printed, and return ``code``."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    return code


def guarded(work: Callable[[], object], introduction: int) -> None:
    """Run what a fresh fork has to do; if it cannot be done, say why and end."""
    try:
        work()
    except BaseException as problem:
        with contextlib.suppress(OSError):
            introduce(introduction, sandbox.ProgramFailed(f"{type(problem).__name__}: {problem}"[:500]))
    os._exit(70)


def introduce(number: int, message: sandbox.Introduction, listeners: Sequence[socket.socket] = ()) -> None:
    """Send the owner a ``message`` about this process; the kernel adds our process id as the owner sees it."""
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
    """Set the resource limits of this process, none above the present hard limit."""
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
    """Become ``uid`` (or stay who we are) with no capability, and with none to be had."""
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability)) != 0:
            break  # no more of them, or not ours to drop; then there are none to be had either
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = struct.pack("Ii", 0x20080522, 0)
    checked("capset", libc.capset(header, bytes(24)))


def close_all_but(kept: Iterable[int]) -> None:
    """Close all file descriptors but these and the three standard streams."""
    numbers = sorted({0, 1, 2, *kept})
    for low, high in zip(numbers, [*numbers[1:], 1 << 20], strict=True):
        os.closerange(low + 1, high)


def keep_house(app: int, memory: int, together: int) -> int:
    """Reap until the app has ended, and return its exit code.

    That is 137 as soon as all in the sandbox use more than ``memory`` bytes, or are more than ``together`` processes: a
    fork bomb ends here, and not when it has spent the time that a start may take.  It is 128 and the number of the signal
    if one ended the app.
    """
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == app:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if pid == 0:
            if uses_too_much(memory, together):
                return 137
            signal.sigtimedwait({signal.SIGCHLD}, HOUSE_POLL_INTERVAL_S)


def uses_too_much(memory: int, together: int) -> bool:
    """Whether the sandbox's processes use more memory than that together, or are too many."""
    others = processes()
    total = kernel = SOCKET_MEMORY * procfs.socket_count() + sum(map(procfs.page_tables, others))
    # the quick sum counts what forks share once for each of them
    exact = len(others) <= together and kernel + sum(map(procfs.own_memory, others)) > memory
    for pid in others if exact else ():
        total += procfs.proportional_memory(pid)
        # the exact one waits for each process that is just being forked: meanwhile they may become too many
        if total > memory or len(processes()) > together:
            return True
    return len(others) > together


def processes() -> list[int]:
    """The ids of the sandbox's processes without its first one, which asks."""
    return [pid for pid in procfs.process_ids() if pid != 1]


def collect() -> None:
    """Reap what has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main(number: str, level: str, uid: str, place: str, program: str) -> None:
    """Import what is needed, say so, and take orders until the owner is gone."""
    watchdog = os.path.join(os.path.dirname(HERE), "takehome", "freeloop", "core")
    control = socket.socket(fileno=int(number))
    os.umask(0o022)  # apps of another user must reach what is mounted for them
    forkserver = Forkserver(control, level, None if uid == "-" else int(uid), place, program)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for our owner
    sys.path[:0] = [HERE, watchdog]
    for name in (
        "syscall_filter",
        *(("run_pytest",) if program == "test" else ("loop_watchdog", "serve_app", "app_warm_up")),
    ):
        importlib.import_module(name)
    del sys.path[:2]
    for name in TEST_IMPORTS if program == "test" else APP_IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if program != "test":
        sys.modules["app_warm_up"].import_lazily_loaded()
    for name in [name for name in sys.modules if name.partition(".")[0] == "messages"]:
        del sys.modules[name]  # a learner's file of that name is theirs
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
