"""Reads what Linux reports about processes, threads and sockets in ``/proc``.

All other modules use this one to read ``/proc``. A process can end between two reads, and other systems have no ``/proc``:
each docstring says what happens then. Scripts in ``programs/`` import this file by path, so it imports nothing of the package.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
PIPE_BYTES = 2 * PAGE_BYTES  # of a pipe, once its user has many: one open file is enough for one
LOCKS_BYTES = 1 << 20  # of the list of locks, in which each has a line
MAPPING_BYTES = 256  # of the record of one mapping ...
ANCESTOR_BYTES = 64  # ... and of what it keeps for each process that it comes from
MAPPINGS_MAX = 65530  # of a process (vm.max_map_count)
WATCH_BYTES = 256  # of one file that an epoll instance watches
FEW_FILES = 256  # with as many, all that epoll instances can watch takes 4 MB
ZOMBIE = "Z"  # the state of a process that has ended and that its parent hasn't waited for
RUNNING = "R"
EXITING = 0x4  # PF_EXITING, in the flags of a thread
READS = 20  # attempts to read about a process whose threads end while they are read
HIDDEN_BYTES = 1 << 40  # what counts as the memory of a process that hides it
EPOLLIN, EPOLLET = 0x1, 1 << 31  # input is available; edge-triggered
_LISTS_CHILDREN = os.path.exists("/proc/thread-self/children")  # a kernel can be built without it


class SchedStat:
    """The CPU time and run-queue delay of one thread, by default the thread that creates the object. Any thread may read them.

    The first thread of a process has the id of the process.  Raises `OSError` if there is no such thread, or no ``/proc``.
    """

    def __init__(self, pid: int | None = None, tid: int | None = None) -> None:
        folder = "/proc/thread-self" if pid is None else f"/proc/{pid}/task/{tid or pid}"
        self._file = os.open(f"{folder}/schedstat", os.O_RDONLY)

    def read(self) -> tuple[float, float, int]:
        """Return (CPU seconds, seconds waiting for a CPU, number of time slices) so far.

        Raises `OSError` or `ValueError` if the thread has ended.
        """
        cpu, waited, slices = os.pread(self._file, 100, 0).split()
        return int(cpu) / 1e9, int(waited) / 1e9, int(slices)

    def close(self) -> None:
        """Close the file that it reads."""
        os.close(self._file)


class OwnSchedStat:
    """`SchedStat` of the thread that creates the object, with times of 0.0 if the system doesn't report them."""

    def __init__(self) -> None:
        try:
            self._counts: SchedStat | None = SchedStat()
        except OSError:
            self._counts = None

    def read(self) -> tuple[float, float]:
        """Return (CPU seconds, seconds waiting for a CPU) so far."""
        return self._counts.read()[:2] if self._counts is not None else (0.0, 0.0)


class SyscallFile:
    """The state of the first thread of a process, as text in Linux's format (see `messages.races.parse_syscall`).

    Raises `OSError` if there is no such process, without permission to read it, or without a ``/proc``.
    """

    def __init__(self, pid: int) -> None:
        self._file = os.open(f"/proc/{pid}/task/{pid}/syscall", os.O_RDONLY)

    def read(self) -> bytes:
        """Return the text.  Raises `OSError` if the thread has ended."""
        return os.pread(self._file, 200, 0)

    def close(self) -> None:
        """Close the file that it reads."""
        os.close(self._file)


def thread_times(pid: int | str, tid: int | str | None = None) -> tuple[float, float]:
    """Return (CPU seconds, seconds waiting for a CPU) of a thread so far; without ``tid``, of the first one of the process.

    Raises `OSError` or `ValueError` if it has ended, or where the system has no ``/proc``.
    """
    with open(f"/proc/{pid}/task/{tid or pid}/schedstat", "rb") as file:
        cpu, waited, _ = file.read().split()
    return int(cpu) / 1e9, int(waited) / 1e9


def process_times(pid: int) -> tuple[str | None, float | None]:
    """Return (state of its first thread as Linux's letter, CPU seconds of all its threads); (None, None) if not known.

    If only its first thread has ended, the state is `RUNNING`.
    """
    try:
        fields = _stat(pid)
        state = RUNNING if fields[0] == ZOMBIE and int(fields[17]) > 1 else fields[0]
        return state, (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    except (OSError, IndexError, ValueError):
        return None, None


def reaped_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and of those children that it has waited for; 0.0 if not known."""
    try:
        return sum(map(int, _stat(pid)[11:15])) / TICKS_PER_S
    except (OSError, ValueError):
        return 0.0


def parent(pid: int) -> int | None:
    """Return the id of the parent of a process, which may be the one that adopted it; None if not known."""
    try:
        return int(_stat(pid)[1])
    except (OSError, IndexError, ValueError):
        return None


def age_s(pid: int) -> float:
    """Return for how many seconds a process has existed, to a clock tick. Raises `OSError` if it has ended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(_stat(pid)[19]) / TICKS_PER_S


def _stat(pid: int) -> list[str]:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()  # the program's name may contain spaces and brackets


def machine_cpu_s() -> float:
    """Return the CPU seconds that all processes have spent since this machine started; 0.0 if not known."""
    try:
        with open("/proc/stat") as file:
            user, nice, system = (int(number) for number in file.readline().split()[1:4])
    except OSError:
        return 0.0
    return (user + nice + system) / TICKS_PER_S


def memory_stalled_s() -> float:
    """Return for how many seconds any process of this machine has been stalled by a shortage of memory.

    Raises `OSError` or `ValueError` where the system doesn't count them.
    """
    with open("/proc/pressure/memory") as file:  # the first line is "some", in microseconds
        return int(file.readline().rpartition("total=")[2]) / 1e6


def process_ids() -> list[int]:
    """Return the ids of all processes; an empty list if the system has no ``/proc``."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []


def thread_ids(pid: int | str) -> list[int]:
    """Return the ids of the threads of a process.  Raises `OSError` if it has ended, or where the system has no ``/proc``."""
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def inner_thread_ids(pid: int) -> dict[int, int]:
    """Return {id in the thread's own PID namespace: id in the caller's} for each thread of a process.

    Raises `OSError` if it has ended.
    """
    found = {}
    for tid in thread_ids(pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{tid}/status") as status:
            inner = next((int(line.split()[-1]) for line in status if line.startswith("NSpid:")), tid)
            found[inner] = tid
    return found


def children(pid: int, tid: int | None = None) -> list[int]:
    """Return the ids of the processes that a process, or with ``tid`` only that thread, has started.

    It skips what it can't read, because a process or a thread may just have ended. A kernel that doesn't list children
    doesn't report which thread started a process either: the result with ``tid`` is then empty.
    """
    if not _LISTS_CHILDREN:
        return [each for each in process_ids() if parent(each) == pid] if tid is None else []
    found: list[int] = []
    with contextlib.suppress(OSError):
        for each in thread_ids(pid) if tid is None else [tid]:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{each}/children") as file:
                found += map(int, file.read().split())
    return found


def descendants(pid: int, zombies: bool = False) -> list[int]:
    """Return the ids of all descendants of a process: its children, their children and so on.

    With ``zombies``, include those that have ended and whose parent hasn't waited for them.
    """
    found = children(pid)
    for each in found:
        found += children(each)
    return found if zombies else [each for each in found if process_times(each)[0] not in (ZOMBIE, None)]


def own_memory(pid: int) -> int:
    """Return the bytes of a process's memory that no file backs. Memory shared with forks counts. 0 if not known."""
    return _by_living_thread(pid, _own_memory)


def _own_memory(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            resident, shared = (int(pages) for pages in file.read().split()[1:3])
        return (resident - shared) * PAGE_BYTES
    except (OSError, ValueError):
        return 0


def proportional_memory(pid: int) -> int:
    """Return the bytes of memory of a process, each page divided by the number of processes that share it.

    If that can't be read, because a process may deny it, return `own_memory`.
    """
    return _by_living_thread(pid, _proportional_memory)


def _proportional_memory(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
    except (OSError, StopIteration):
        return _own_memory(pid)


def kernel_memory(pid: int, together: int = 1) -> int:
    """Return the bytes of the system's own memory that a process may hold: page tables, mappings, pipes, watched files.

    For pipes and watched files it's the most that its open files can hold, and for mappings the most if it's one of
    ``together`` processes that were forked from each other. 0 if not known.
    """
    return _by_living_thread(pid, lambda thread: _kernel_memory(thread, together))


def _kernel_memory(pid: int, together: int) -> int:
    found = {"VmPTE:": 0, "FDSize:": 0}
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/status") as file:
        for line in file:
            name, _, value = line.partition("\t")
            if name in found:
                found[name] = int(value.split()[0])
    files = found["FDSize:"]
    watched = _epoll_count(pid, files) * files * WATCH_BYTES if files > FEW_FILES else 0
    mapped = _mapping_count(pid) * (MAPPING_BYTES + together * ANCESTOR_BYTES)
    return found["VmPTE:"] * 1024 + files * PIPE_BYTES + watched + mapped


def _by_living_thread(pid: int, read: Callable[[int], int]) -> int:
    """Return what ``read`` returns for a thread of a process that hasn't ended; 0 if the process has.

    When the first thread of a process ends, its files in ``/proc`` read as if the process had no memory and no open files,
    while other threads go on. Theirs report the same as the first one's did. Return `HIDDEN_BYTES` for a process that lets each
    thread end before it can be read, and starts others.
    """
    with contextlib.suppress(_HiddenProcess):
        for _ in range(READS):
            thread = _living_thread(pid)
            if thread is None:
                return 0
            found = read(thread)
            if not _is_ending(thread):
                return found
    return HIDDEN_BYTES


def _living_thread(pid: int) -> int | None:
    """Return the id of a thread of a process that hasn't ended, the first one if possible; None if the process has ended."""
    if not _is_ending(pid):
        return pid
    known: set[int] = set()
    for _ in range(READS):
        try:
            threads = set(thread_ids(pid))
        except OSError:
            return None
        for thread in threads:
            if not _is_ending(thread):
                return thread
        if threads <= known:
            return None  # no thread starts another: the process is ending
        known |= threads
    raise _HiddenProcess


def _is_ending(thread: int) -> bool:
    """Return True if a thread has given up its memory and files, or is about to."""
    try:
        return bool(int(_stat(thread)[6]) & EXITING)
    except (OSError, IndexError, ValueError):
        return True


class _HiddenProcess(Exception):
    """A process whose threads end as soon as they have started others."""


def _mapping_count(pid: int) -> int:
    """Return how many mappings a process has; the most that it may have if it denies to be read, 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 16), b""))
    except PermissionError:
        return MAPPINGS_MAX
    except OSError:
        return 0


def _epoll_count(pid: int, files: int) -> int:
    """Return how many of a process's open ``files`` are epoll instances; half of them if it denies to be read."""
    try:
        links = [_link_target(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    except PermissionError:
        return files // 2
    except OSError:
        return 0
    return links.count("anon_inode:[eventpoll]")


def has_many_locks() -> bool:
    """True if there are more than about 20,000 locks of files in the namespace of process ids that the caller sees."""
    with contextlib.suppress(OSError), open("/proc/locks", "rb") as file:
        return len(file.read(LOCKS_BYTES)) == LOCKS_BYTES
    return False


def socket_count() -> int:
    """Return how many sockets there are in the caller's network namespace; 0 if not known."""
    try:
        with open("/proc/net/sockstat") as file:
            return int(file.readline().split()[-1])
    except (OSError, IndexError, ValueError):
        return 0


def accepted_sockets(port: int | None, path: str | None = None) -> set[int]:
    """Return the inode numbers of the sockets that any process has accepted on a TCP port, or on the Unix socket at ``path``.

    Raises `OSError`, `IndexError` or `ValueError` where the system doesn't list them.
    """
    if path:
        with open("/proc/net/unix") as table:
            rows = [line.split() for line in table]
        return {int(row[6]) for row in rows if row[-1] == path and row[5] == "03"}
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table]
    return {int(row[9]) for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"}


def polled_sockets(pid: int, number: int) -> set[int]:
    """Return the inode numbers of a process's sockets whose input its epoll instance, the file descriptor ``number``, polls.

    Each line in ``fdinfo`` has a file descriptor, the events and the inode, the last two in hexadecimal. Raises `OSError`,
    `ValueError` or `StopIteration` if the system doesn't list them.
    """
    found = set()
    with open(f"/proc/{pid}/fdinfo/{number}") as table:
        for words in (line.split() for line in table if line.startswith("tfd:")):
            inode = next(int(word[4:], 16) for word in words if word.startswith("ino:"))
            events = int(words[3], 16)
            # another process may have added it: then the number isn't one of this process's descriptors
            ours = _link_target(f"/proc/{pid}/fd/{words[1]}") == f"socket:[{inode}]"
            if ours and events & EPOLLIN and not events & EPOLLET:
                found.add(inode)
    return found


def _link_target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""  # it was closed just now
