"""The owner's side of the jail: starts apps in it, and looks like `subprocess.Popen` to who serves them."""

import array
import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

from autograder.paths import PROGRAMS
from autograder.sandbox import bubblewrap
from autograder.sandbox.relay import Proxy

START_LIMIT = 60.0  # s: what is imported once takes a while on a busy machine
INTRODUCTION_LIMIT = 30.0  # s
LIMITS = {
    "memory": 1 << 30,  # bytes of a process, and, where there are namespaces, of all processes of an app together
    "disk": 64 << 20,  # bytes of its place, and of one file
    "processes": 256,  # threads count as well
    "open_files": 1024,
    "cpu": 300,  # s of a process
}
FIRST_USER, USERS = 61000, 1000  # ids that distributions leave free; each keeper takes one that no other has
PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "mysql": 3306, "http": 80, "https": 443}


class SandboxError(Exception):
    """An app cannot be locked in here: a matter of this machine, never of a learner's app."""


class Sandbox:
    """Starts apps at one level: ``namespaces``, ``user`` or ``limits``.  Thread-safe; `close` ends all of them."""

    def __init__(self, level, limits=LIMITS):
        self.level = level
        self.limits = dict(limits)
        self._keepers = {}
        self._relay = None
        self._lock = threading.Lock()
        self._closed = False
        atexit.register(self.close)

    def start(self, file, environment, ports=()):
        """Start the app in ``file`` with that environment and return its `SandboxedProcess` process.

        The services that it may reach are those that the environment names, by address or by folder, and ``ports`` of
        this machine.  Raises `SandboxError`.
        """
        with self._lock:
            if self._closed:
                raise SandboxError("the jail is closed")
            folders = tuple(sorted(seen_folders(environment)))
            keeper = self._keepers.get(folders)
            if keeper is None or not keeper.alive:
                if keeper:
                    keeper.close()
                if self.level == "namespaces" and self._relay is None:
                    self._relay = Proxy()
                keeper = self._keepers[folders] = Forkserver(self.level, self.limits, folders, self._relay)
            return keeper.start(Path(file), environment, ports)

    def close(self):
        with self._lock:
            self._closed = True
            for keeper in self._keepers.values():
                keeper.close()
            self._keepers.clear()
        atexit.unregister(self.close)


class Forkserver:
    """One process that forks apps, and our end of the socket over which it is told to."""

    def __init__(self, level, limits, folders, relay):
        self.level = level
        self.limits = limits
        self.relay = relay
        self.folders = folders
        self.place = os.path.realpath(tempfile.gettempdir())
        self.user = free_user() if os.geteuid() == 0 and level != "limits" else None
        if self.user is not None:
            for folder in folders:  # for the app's user, and for no other user of this machine
                os.chown(folder, -1, self.user.id)
                os.chmod(folder, os.stat(folder).st_mode & ~0o007 | 0o050)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = bubblewrap.command(self.place, folders) if level == "namespaces" else []
        uid = "-" if self.user is None else str(self.user.id)
        script = [sys.executable, "-I", str(PROGRAMS / "forkserver.py"), str(theirs.fileno()), level, uid, self.place]
        self._said = tempfile.TemporaryFile()
        try:
            self.process = subprocess.Popen(
                [*command, *script],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                env=environment_of(self.place),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as problem:
            ours.close()
            raise SandboxError(str(problem)) from None
        finally:
            theirs.close()
        self._control = ours
        self._ask(None, START_LIMIT)

    @property
    def alive(self):
        return self.process.poll() is None

    def start(self, file, environment, ports=()):
        addresses, environment = reachable(environment, ports)
        folder = os.path.realpath(file.parent)
        inside = self.level == "namespaces"
        if inside and not os.path.join(folder, "").startswith(os.path.join(self.place, "")):
            raise SandboxError(f"{folder} does not lie in {self.place}")
        if not inside and self.user is not None:
            for path in (folder, *Path(folder).iterdir()):
                os.chown(path, self.user.id, self.user.id)
        order = {
            "op": "start",
            "folder": folder,
            "name": file.name,
            "environment": {**environment_of(folder), **environment},
            "ports": sorted(addresses),
            "shown": bubblewrap.shown(self.place, self.folders),
            "limits": {**self.limits, "processes": self._processes()},
        }
        return SandboxedProcess(self, order, addresses, file)

    def _processes(self):
        """How many processes an app's user may have; our own user has others already."""
        return self.limits["processes"] if self.user is not None or self.level == "namespaces" else None

    def send(self, order, descriptors):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        try:
            self._control.sendmsg([json.dumps(order).encode()], rights)
        except OSError as problem:
            raise SandboxError(f"what starts the apps is gone ({problem})") from None

    def sweep(self):
        """Kill what apps have left behind; a jail of namespaces leaves nothing."""
        if self.level != "namespaces" and self.alive:
            with contextlib.suppress(SandboxError):
                self._ask({"op": "sweep"}, START_LIMIT)

    def _ask(self, order, limit):
        try:
            if order is not None:
                self._control.send(json.dumps(order).encode())
            self._control.settimeout(limit)
            answer = self._control.recv(1000)
        except OSError as problem:
            answer = b""
            why = str(problem)
        else:
            why = "it ended"
        if not answer:
            self.close()
            self._said.seek(0)
            said = self._said.read(4000).decode(errors="replace").strip().splitlines()
            raise SandboxError(said[-1][:300] if said else why)

    def close(self):
        self._control.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.user is not None:
            self.user.free()


class SandboxedProcess:
    """An app in its jail.  ``pid`` leads the group to kill, ``app_pid`` serves; both as this process sees them.

    ``socket`` is the path of the Unix socket on which it answers.
    """

    def __init__(self, keeper, order, addresses, file):
        self.returncode = None
        self._keeper = keeper
        self._listeners = []
        self._watched = []
        self._folder = tempfile.mkdtemp(prefix="course-jail-")
        self.socket = os.path.join(self._folder, "app")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(self.socket)
        listening.listen(1024)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.settimeout(INTRODUCTION_LIMIT)
        pipes = [os.pipe() for _ in range(3)]
        (stdin, our_stdin), (our_stdout, stdout), (our_stderr, stderr) = pipes
        self.stdin = os.fdopen(our_stdin, "wb")
        self.stdout = os.fdopen(our_stdout, "rb")
        self.stderr = os.fdopen(our_stderr, "rb")
        try:
            with ours, theirs, listening, packed(file.parent) as files:
                numbers = [stdin, stdout, stderr, listening.fileno(), theirs.fileno(), files.fileno()]
                keeper.send(order, numbers)
                theirs.close()
                self._meet(ours, addresses)
        except (OSError, SandboxError) as problem:
            for pipe in (self.stdin, self.stdout, self.stderr):
                pipe.close()
            self._end()
            raise SandboxError(str(problem)) from None
        finally:
            for number in (stdin, stdout, stderr):
                os.close(number)

    def _meet(self, introductions, addresses):
        """Learn who is who: the kernel says with each introduction which process made it."""
        self.pid = None
        while True:
            news, pid, handed = introduction(introductions)
            if news is None:
                raise SandboxError("the app's process ended before it began")
            if news["who"] == "failed":
                raise SandboxError(news["why"])
            self._watched.append(os.pidfd_open(pid))
            if news["who"] == "jail":
                self.pid = pid
                for number, port in zip(handed, sorted(addresses), strict=True):
                    listener = socket.socket(fileno=number)
                    self._listeners.append(listener)
                    self._keeper.relay.carry(listener, addresses[port])
            else:
                self.app_pid = pid
                self.pid = self.pid or pid
                introductions.send(b"k")
                return

    def poll(self):
        """0 once the app has ended, else None."""
        if self.returncode is None and select.select([self._watched[-1]], [], [], 0)[0]:
            self.returncode = 0
        return self.returncode

    def kill(self):
        """Kill the app and all that it started."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._watched[0], signal.SIGKILL)

    def wait(self):
        """Wait for the end of the app and of its jail."""
        for watched in self._watched:
            select.select([watched], [], [])
        self.returncode = 0
        self._keeper.sweep()
        self._end()

    def threads(self, numbers):
        """Thread ids as we see them, for the ids that the app's own process sees."""
        wanted, found = set(numbers), []
        for name in os.listdir(f"/proc/{self.app_pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{self.app_pid}/task/{name}/status") as status:
                inner = next((line.split()[-1] for line in status if line.startswith("NSpid:")), name)
                if int(inner) in wanted:
                    found.append(int(name))
        return found

    def _end(self):
        for listener in self._listeners:
            self._keeper.relay.drop(listener)
        self._listeners = []
        for watched in self._watched:
            os.close(watched)
        self._watched = []
        shutil.rmtree(self._folder, ignore_errors=True)


def packed(folder):
    """The files of a folder as JSON in a file of no name, from their names to their bytes in base64."""
    files = {path.name: b64encode(path.read_bytes()).decode() for path in folder.iterdir() if path.is_file()}
    unnamed = tempfile.TemporaryFile()
    unnamed.write(json.dumps(files).encode())
    unnamed.seek(0)
    return unnamed


def introduction(sock):
    """(what was said, the process that said it, descriptors that it handed over), or Nones at the end."""
    space = socket.CMSG_SPACE(12) + socket.CMSG_SPACE(32 * 4)
    data, ancillary, _, _ = sock.recvmsg(4096, space)
    pid, handed = None, array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid = struct.unpack("3i", content)[0]
        elif level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            handed.frombytes(content)
    return (json.loads(data) if data else None), pid, list(handed)


def environment_of(home):
    """What every program finds in its environment here; nothing of ours but the way to programs and the language."""
    kept = {key: value for key, value in os.environ.items() if key in ("LANG", "TZ") or key.startswith("LC_")}
    path = os.pathsep.join([os.path.join(sys.prefix, "bin"), "/usr/local/bin", "/usr/bin", "/bin"])
    return {**kept, "PATH": path, "HOME": home, "TMPDIR": home, "USER": "learner"}


def seen_folders(environment):
    """The folders that an environment names, itself or through a file in it."""
    found = set()
    for value in environment.values():
        if value.startswith("/"):
            if os.path.isdir(value):
                found.add(os.path.realpath(value))
            elif os.path.exists(value):
                found.add(os.path.realpath(os.path.dirname(value)))
    return found


def reachable(environment, ports=()):
    """({port in the jail: address outside}, the environment as it must be in the jail)."""
    addresses = {port: ("127.0.0.1", port) for port in ports}
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
    return addresses, inside


class SandboxUser:
    """A user id that no other keeper of this machine uses, for as long as we hold its lock."""

    def __init__(self, number, lock):
        self.id = number
        self._lock = lock

    def free(self):
        os.close(self._lock)


def free_user():
    """A `SandboxUser` of our own; only root can have one."""
    import fcntl  # Windows has none, and imports this module all the same

    folder = Path(tempfile.gettempdir()) / "course-jail-users"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != 0:
        raise SandboxError(f"{folder} belongs to somebody else")
    for number in range(FIRST_USER, FIRST_USER + USERS):
        lock = os.open(folder / str(number), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return SandboxUser(number, lock)
        except OSError:
            os.close(lock)
    raise SandboxError("there is no user left for another jail")
