"""The owner's side of the sandbox: starts apps and learners' tests, each as an object similar to `subprocess.Popen`."""

from __future__ import annotations

import array
import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from autograder.errors import UserFacingError
from autograder.managed_process import ManagedProcess
from autograder.paths import PROGRAMS
from autograder.programs import procfs
from autograder.programs.messages import MessageError, decode, encode
from autograder.programs.messages.sandbox import (
    INTRODUCTIONS,
    AreYouReady,
    ForkserverOrder,
    ForkserverReady,
    Introduction,
    Limits,
    ProgramEnded,
    ProgramFailed,
    SandboxBuilt,
    StartProgram,
    Sweep,
)
from autograder.programs.proxy import Address, Proxy
from autograder.sandbox import bubblewrap

END_GRACE_S = 5.0  # s: the forkserver ends all apps first
START_LIMIT = 60.0  # s: the forkserver's imports take a while on a busy machine
INTRODUCTION_LIMIT = 30.0  # s
END_LIMIT_S = 1.0  # s between the end of an app's output and the end of its process
END_REPORT_LIMIT_S = 10.0  # s between the end of a process and its sandbox's report of it, on a busy machine
LIMITS = {
    "memory": 1 << 30,  # bytes of a process and, at the level `namespaces`, of all processes of an app together
    "disk": 64 << 20,  # bytes of its writable folder, and of one file
    "processes": 256,  # including threads
    "together": 192,  # processes of a sandbox: twice what the largest race needs if each request starts a program in a shell
    "open_files": 1024,
    "cpu": 300,  # s of a process
}
FIRST_USER, USERS = 61000, 1000  # ids that distributions don't use; each forkserver takes its own
RUN_FOLDERS = ("/run", "/var/run", "/var/lib")  # only root can write there
PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "mysql": 3306, "http": 80, "https": 443}
SOCKET_PATH_LIMIT = 100  # bytes of a Unix socket's path; the system's own limit is 107


class SandboxError(UserFacingError):
    """An app can't be sandboxed here. That is a problem of this machine, never of a learner's app."""


class Sandbox:
    """Starts apps at one level: ``namespaces``, ``user`` or ``limits``. Thread-safe. `close` ends all of them."""

    def __init__(self, level: str, limits: Mapping[str, int] = LIMITS) -> None:
        self.level = level
        self.limits = dict(limits)
        self._forkservers: dict[tuple[str, ...], Forkserver] = {}
        self._proxy: Proxy | None = None
        self._lock = threading.Lock()
        self._closed = False
        atexit.register(self.close)

    def start(
        self,
        file: Path,
        environment: Mapping[str, str],
        ports: Iterable[int] | Mapping[int, Address] = (),
        program: str = "app",
    ) -> SandboxedProcess:
        """Start the app in ``file`` (or, with ``program`` "test", pytest on ``file``) with ``environment``.

        It can reach the services that the environment names, by address or by folder, and ``ports`` of this machine. If
        ``ports`` is a mapping, each port is forwarded to its value: a host and a port, or the path of a Unix socket. Raises
        `SandboxError`.
        """
        with self._lock:
            if self._closed:
                raise SandboxError("the sandbox is closed")
            if self.level == "namespaces" and (self._proxy is None or not self._proxy.alive):
                self._proxy = Proxy()
            folders = tuple(sorted(seen_folders(environment)))
            forkserver = self._forkservers.get((program, *folders))
            if forkserver is None or not forkserver.alive:
                if forkserver:
                    forkserver.close()
                forkserver = Forkserver(self.level, self.limits, folders, program)
                self._forkservers[(program, *folders)] = forkserver
            return forkserver.start(Path(file), environment, ports, self._proxy)

    def close(self) -> None:
        """End all apps and the forkservers."""
        with self._lock:
            self._closed = True
            for forkserver in self._forkservers.values():
                forkserver.close()
            self._forkservers.clear()
            if self._proxy is not None:
                self._proxy.close()
        atexit.unregister(self.close)


class Forkserver:
    """One process that forks apps, and the owner's end of the socket over which it gets its orders."""

    def __init__(self, level: str, limits: Mapping[str, int], folders: tuple[str, ...], program: str = "app") -> None:
        self.level = level
        self.limits = limits
        self.program = program
        self.place = os.path.realpath(tempfile.gettempdir())
        self.user = free_user() if os.geteuid() == 0 and level != "limits" else None
        if self.user is not None and level == "user":  # at `namespaces`, what connects to services is this process
            app_users.add(self.user.id)
        if self.user is not None:
            for folder in folders:  # accessible to the app's user, and to no other user of this machine
                os.chown(folder, -1, self.user.id)
                os.chmod(folder, os.stat(folder).st_mode & ~0o007 | 0o050)
        self._aliases = bubblewrap.aliases(self.place, [*bubblewrap.visible(), *folders])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = bubblewrap.app_profile(self.place, folders) if level == "namespaces" else []
        uid = "-" if self.user is None else str(self.user.id)
        script = [sys.executable, "-I", str(PROGRAMS / "forkserver.py"), str(theirs.fileno()), level, uid, self.place]
        try:
            self.process = ManagedProcess(
                [*command, *script, program],
                keep_errors=True,
                stdin=subprocess.DEVNULL,  # its lifeline is the socket
                stdout=subprocess.DEVNULL,
                env=environment_of(self.place),
                pass_fds=[theirs.fileno()],
            )
        except OSError as problem:
            ours.close()
            raise SandboxError(str(problem)) from None
        finally:
            theirs.close()
        self._control = ours
        self._ask(None, START_LIMIT)

    @property
    def alive(self) -> bool:
        """True while the forkserver can start apps."""
        return self.process.alive

    def start(
        self,
        file: Path,
        environment: Mapping[str, str],
        ports: Iterable[int] | Mapping[int, Address],
        proxy: Proxy | None,
    ) -> SandboxedProcess:
        """Start one app; see `Sandbox.start`."""
        addresses, environment = reachable(environment, ports)
        folder = os.path.realpath(file.parent)
        if self.level == "namespaces":
            if not bubblewrap.inside(folder, self.place):
                raise SandboxError(f"{folder} isn't inside {self.place}")
        elif self.user is not None:
            share_folder(folder, self.user.id)
        order = StartProgram(
            folder=folder,
            name=file.name,
            environment={**environment_of(folder), **environment},
            ports=sorted(addresses),
            aliases=self._aliases,
            limits=Limits(
                memory=self.limits["memory"],
                disk=self.limits["disk"],
                processes=self._processes(),
                together=self.limits["together"],
                open_files=self.limits["open_files"],
                cpu=self.limits["cpu"],
            ),
        )
        return SandboxedProcess(self, order, addresses, file, proxy)

    def _processes(self) -> int | None:
        """Return how many processes an app's user may have; None if it's the current user, who has others already."""
        return self.limits["processes"] if self.user is not None or self.level == "namespaces" else None

    def send(self, order: ForkserverOrder, descriptors: list[int]) -> None:
        """Send an order with file descriptors. Raises `SandboxError` if the forkserver has ended."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        try:
            self._control.sendmsg([encode(order).encode()], rights)
        except OSError as problem:
            raise SandboxError(f"the forkserver has ended ({problem})") from None

    def check(self) -> None:
        """Raise `SandboxError` if the forkserver no longer answers."""
        self._ask(AreYouReady(), START_LIMIT)

    def sweep(self) -> None:
        """Kill processes that apps have left behind; the level ``namespaces`` leaves none."""
        if self.level != "namespaces" and self.alive:
            with contextlib.suppress(SandboxError):
                self._ask(Sweep(), START_LIMIT)

    def _ask(self, order: ForkserverOrder | None, limit: float) -> None:
        """Send an order, if there is one, and wait for the answer, for ``limit`` seconds. Raises `SandboxError`."""
        try:
            if order is not None:
                self._control.send(encode(order).encode())
            self._control.settimeout(limit)
            if answer := self._control.recv(1000):
                decode(answer, ForkserverReady)
                return
            why = "it ended"
        except (OSError, MessageError) as problem:
            why = str(problem)
        self.close()
        raise SandboxError(self.last_words() or why)

    def last_words(self) -> str:
        """Return the last line that the forkserver printed, or ""."""
        return self.process.last_words()

    def close(self) -> None:
        """End the forkserver, and all apps that it started."""
        self._control.close()
        self.process.end(END_GRACE_S)
        if self.user is not None:
            app_users.discard(self.user.id)  # before another process can have it
            self.user.free()


class SandboxedProcess:
    """An app in its sandbox. ``pid`` is the process group to kill, ``app_pid`` the app's process, both in this PID namespace.

    ``socket`` is the path of the Unix socket on which it responds. At the level ``namespaces``, ``exit_code`` is known once
    `wait` has returned: the sandbox's first process reports it, and the app can't manipulate that process. ``failed`` then
    says why the program couldn't be started, or is "".
    """

    def __init__(
        self,
        forkserver: Forkserver,
        order: StartProgram,
        addresses: Mapping[int, Address],
        file: Path,
        proxy: Proxy | None,
    ) -> None:
        self.returncode: int | None = None
        self.exit_code: int | None = None
        self.failed = ""
        self.forkserver = forkserver
        self._proxy = proxy
        self._reported = False
        self._listeners: list[socket.socket] = []
        self._watched: list[int] = []
        self._folder = tempfile.mkdtemp(prefix="course-sandbox-", dir=socket_folder(40))
        self.socket = os.path.join(self._folder, "app")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(self.socket)
        listening.listen(1024)
        self._introductions, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._introductions.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._introductions.settimeout(INTRODUCTION_LIMIT)
        pipes = [os.pipe() for _ in range(3)]
        (stdin, our_stdin), (our_stdout, stdout), (our_stderr, stderr) = pipes
        self.stdin: BinaryIO = os.fdopen(our_stdin, "wb")
        self.stdout: BinaryIO = os.fdopen(our_stdout, "rb")
        self.stderr: BinaryIO = os.fdopen(our_stderr, "rb")
        try:
            shown = file.parent if forkserver.level == "namespaces" else None
            with theirs, listening, packed(shown) as files:
                numbers = [stdin, stdout, stderr, listening.fileno(), theirs.fileno(), files.fileno()]
                forkserver.send(order, numbers)
                theirs.close()
                self._meet(addresses)
        except (OSError, SandboxError, MessageError) as problem:
            for pipe in (self.stdin, self.stdout, self.stderr):
                pipe.close()
            self._end()
            raise SandboxError(str(problem)) from None
        finally:
            for number in (stdin, stdout, stderr):
                os.close(number)

    def _meet(self, addresses: Mapping[int, Address]) -> None:
        """Receive the introductions of the processes; the kernel adds the sender's process id to each."""
        self.pid = 0
        while True:
            news, pid, handed = introduction(self._introductions)
            if news is None:
                raise SandboxError(self.forkserver.last_words() or "the app's process ended before it began")
            if isinstance(news, ProgramFailed):
                raise SandboxError(news.why)
            self._watched.append(os.pidfd_open(pid))
            if isinstance(news, SandboxBuilt):
                self.pid = pid
                assert self._proxy is not None  # the level `namespaces` has one
                for number, port in zip(handed, sorted(addresses), strict=True):
                    listener = socket.socket(fileno=number)
                    self._listeners.append(listener)
                    self._proxy.carry(listener, addresses[port])
            else:
                self.app_pid = pid
                self.pid = self.pid or pid
                self._introductions.send(b"k")
                return

    @property
    def lost(self) -> str | None:
        """Return why the machine, and not the app, is the reason that the app has ended or can't be used; None if it isn't.

        Call it when the app no longer answers, before ending it: it waits a second for the app's end.
        """
        if self._proxy is not None and not self._proxy.alive:
            return "what carries its connections to the services ended"
        if not self._watched or not readable(self._watched[-1], END_LIMIT_S):
            return None
        if self.forkserver.level == "namespaces":
            self._take_report()
            gone = self.exit_code is None
        else:
            gone = not self.forkserver.alive
        return "its sandbox was ended from outside" if gone else None

    def _take_report(self) -> None:
        """Read the report of the sandbox's first process on the app's end, once."""
        if self._reported:
            return
        self._reported = True
        self._introductions.settimeout(END_REPORT_LIMIT_S)
        with contextlib.suppress(OSError, MessageError):
            news, pid, _ = introduction(self._introductions)
            if isinstance(news, ProgramFailed) and pid == self.app_pid:
                self.failed = news.why
                news, pid, _ = introduction(self._introductions)
            if isinstance(news, ProgramEnded) and pid == self.pid:
                self.exit_code = news.code

    def poll(self) -> int | None:
        """Return 0 once the app has ended, else None."""
        if self.returncode is None and readable(self._watched[-1], 0):
            self.returncode = 0
        return self.returncode

    def kill(self) -> None:
        """Kill the app and all that it started."""
        if self._watched:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._watched[0], signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the app and of its sandbox, for ``timeout`` seconds. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is not None and not self._watched:
            return 0
        if timeout is not None and not readable(self._watched[-1], timeout):
            raise subprocess.TimeoutExpired("app", timeout)
        if self._watched and self.forkserver.level == "namespaces":
            self._take_report()
        for watched in self._watched:
            readable(watched, None)
        self.returncode = 0
        self.forkserver.sweep()
        self._end()
        return 0

    def end(self) -> None:
        """Kill the app, and wait until it and all that it started are gone."""
        self.kill()
        if self.returncode is None:
            self.wait()

    def close(self) -> None:
        """Close this process's ends of the app's pipes, but not its output, which a thread may still read."""
        for pipe in (self.stdin, self.stderr):
            pipe.close()

    def threads(self, numbers: Iterable[int]) -> list[int]:
        """Convert thread ids from the app's PID namespace to this process's."""
        wanted = set(numbers)
        return [tid for inner, tid in procfs.inner_thread_ids(self.app_pid).items() if inner in wanted]

    def _end(self) -> None:
        for listener in self._listeners:
            assert self._proxy is not None  # it carries them
            self._proxy.drop(listener)
        self._listeners = []
        for watched in self._watched:
            os.close(watched)
        self._watched = []
        self._introductions.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def socket_folder(room: int) -> str:
    """Return a folder for temporary files whose path leaves ``room`` bytes for the name of a Unix socket."""
    candidates = [tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR") or "/tmp", "/tmp", "/var/tmp", "/dev/shm"]
    for folder in candidates:
        if len(os.fsencode(folder)) + room <= SOCKET_PATH_LIMIT and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return candidates[0]


def share_folder(folder: str, user: int) -> None:
    """Let the user and group with the id ``user`` read the files in ``folder`` and create files there.

    The folder and its files keep their owner, and the sticky bit prevents an app from replacing them. What an app has left
    there isn't touched, and no link is followed, because it could lead to any of root's files.
    """
    os.chown(folder, -1, user)
    os.chmod(folder, 0o1770)
    for entry in os.scandir(folder):
        if not entry.is_file(follow_symlinks=False):
            continue
        number = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(number)
            if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink == 1:
                os.fchown(number, -1, user)
                os.fchmod(number, 0o640)
        finally:
            os.close(number)


def readable(number: int, limit: float | None) -> bool:
    """Return True once a file descriptor is readable, False after ``limit`` seconds. (`select.select` rejects those above 1023.)"""
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(None if limit is None else 1000 * limit))


def packed(folder: Path | None) -> BinaryIO:
    """Return an anonymous file with a folder's files as JSON: {name: content in base64}.

    Links are left out. Without a folder the JSON is empty.
    """
    entries = os.scandir(folder) if folder else ()
    paths = [Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False)]
    files = {path.name: b64encode(path.read_bytes()).decode() for path in paths}
    unnamed = tempfile.TemporaryFile()
    unnamed.write(json.dumps(files).encode())
    unnamed.seek(0)
    return unnamed


def introduction(sock: socket.socket) -> tuple[Introduction | None, int, list[int]]:
    """Return (the message, the sender's process id, file descriptors that came with it); (None, 0, []) at the end.

    Raises `MessageError` for anything else.
    """
    space = socket.CMSG_SPACE(12) + socket.CMSG_SPACE(32 * 4)
    data, ancillary, _, _ = sock.recvmsg(4096, space)
    pid, handed = 0, array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid = struct.unpack("3i", content)[0]
        elif level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            handed.frombytes(content)
    return (decode(data, *INTRODUCTIONS) if data else None), pid, list(handed)


def environment_of(home: str) -> dict[str, str]:
    """Return the environment of every program in a sandbox: of the current one, only the PATH and the locale."""
    kept = {key: value for key, value in os.environ.items() if key in ("LANG", "TZ") or key.startswith("LC_")}
    path = os.pathsep.join([os.path.join(sys.prefix, "bin"), "/usr/local/bin", "/usr/bin", "/bin"])
    return {**kept, "PATH": path, "HOME": home, "TMPDIR": home, "USER": "learner"}


def seen_folders(environment: Mapping[str, str]) -> set[str]:
    """Return the folders that an environment names, directly or as the folder of a file."""
    found = set()
    for value in environment.values():
        if value.startswith("/"):
            if os.path.isdir(value):
                found.add(os.path.realpath(value))
            elif os.path.exists(value):
                found.add(os.path.realpath(os.path.dirname(value)))
    return found


def reachable(
    environment: Mapping[str, str], ports: Iterable[int] | Mapping[int, Address] = ()
) -> tuple[dict[int, Address], dict[str, str]]:
    """Return ({port in the sandbox: address outside}, the environment with the addresses that are valid in the sandbox)."""
    given: Mapping[int, Address] = ports if isinstance(ports, Mapping) else {}
    addresses: dict[int, Address] = {port: ("127.0.0.1", port) for port in ports}
    inside = {}
    for name, value in environment.items():
        inside[name] = value
        try:
            url = urlsplit(value if "://" in value else f"//{value}")
            host, port = url.hostname, url.port or PORTS.get(url.scheme)
        except ValueError:
            continue
        if value.startswith("/") or not host or port is None:
            continue
        addresses[port] = (host, port)
        if host not in ("127.0.0.1", "localhost"):
            user = url.netloc.rpartition("@")
            there = url._replace(netloc=f"{user[0]}{user[1]}127.0.0.1:{port}").geturl()
            inside[name] = there if "://" in value else there.removeprefix("//")
    return {**addresses, **given}, inside


class SandboxUser:
    """A user id that no other forkserver of this machine uses as long as this process holds its lock."""

    def __init__(self, number: int, lock: int) -> None:
        self.id = number
        self._lock: int | None = lock

    def free(self) -> None:
        """Release the id for others. A second call does nothing."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class AppUsers:
    """The ids of the users as which apps of this process run, with functions that are called with them whenever they change."""

    def __init__(self) -> None:
        self._ids: frozenset[int] = frozenset()
        self._watchers: list[Callable[[frozenset[int]], object]] = []
        self._lock = threading.RLock()

    def add(self, number: int) -> None:
        """Add a user. When this returns, all watchers know it."""
        self._change(self._ids | {number})

    def discard(self, number: int) -> None:
        """Remove a user. When this returns, all watchers know it."""
        self._change(self._ids - {number})

    def watch(self, watcher: Callable[[frozenset[int]], object]) -> None:
        """Call ``watcher`` with the users now, and after each change."""
        with self._lock:
            self._watchers.append(watcher)
            watcher(self._ids)

    def unwatch(self, watcher: Callable[[frozenset[int]], object]) -> None:
        """Call ``watcher`` no more, if it was."""
        with self._lock:
            self._watchers = [each for each in self._watchers if each != watcher]

    def _change(self, ids: frozenset[int]) -> None:
        with self._lock:
            if ids != self._ids:
                self._ids = ids
                for watcher in list(self._watchers):
                    watcher(ids)


app_users = AppUsers()


def user_locks() -> Path:
    """Return the folder with the locks of user ids. Raises `SandboxError` if there can't be one.

    Only root can write there. In a folder for temporary files, any other user could create it first, and so decide at which
    level root grades.
    """
    last = OSError("there is no /run")
    for place in RUN_FOLDERS:
        folder = Path(place) / "course-sandbox-users"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
        except OSError as problem:
            last = problem
            continue
        if stat.S_ISDIR(status.st_mode) and status.st_uid == 0:
            return folder
        last = OSError(f"{folder} belongs to another user")
    raise SandboxError(f"there is no folder for the locks of user ids: {last}")


def free_user() -> SandboxUser:
    """Return a `SandboxUser` for this process, which must be root's. Raises `SandboxError`."""
    import fcntl  # not at the top: Windows has no fcntl, and imports this module too

    folder = user_locks()
    for number in range(FIRST_USER, FIRST_USER + USERS):
        lock = os.open(folder / str(number), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return SandboxUser(number, lock)
        except OSError:
            os.close(lock)
    raise SandboxError("all user ids for sandboxes are in use")
