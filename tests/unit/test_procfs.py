"""What Linux says about processes is read in one place, and read right: compared with real processes."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from helpers import gone, until

from autograder import paths
from autograder.programs import procfs

pytestmark = pytest.mark.linux
NO_PROCESS = 2**22 + 1  # above the largest id that Linux gives


def started_by(script):
    """The process of a script that prints a line when it's ready, and the line."""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    return process, process.stdout.readline().strip()


def end(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("listed", [True, False])
def test_descendants_are_found(monkeypatch, listed):
    """By the lists of children, or in a kernel that was built without them by each process's parent."""
    assert procfs._LISTS_CHILDREN or not listed
    monkeypatch.setattr(procfs, "_LISTS_CHILDREN", listed)
    script = (
        "import os, time\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    grandchild = os.fork()\n"
        "    if grandchild: print(os.getpid(), grandchild, flush=True)\n"
        "    time.sleep(600)\n"
        "os.wait()\n"
    )
    process, line = started_by(script)
    child, grandchild = map(int, line.split())
    try:
        assert procfs.children(process.pid) == [child]
        assert procfs.descendants(process.pid) == [child, grandchild]
        os.kill(grandchild, signal.SIGKILL)  # its parent never waits for it
        until(lambda: gone(grandchild))
        assert procfs.descendants(process.pid) == [child]
        assert procfs.descendants(process.pid, zombies=True) == [child, grandchild]
    finally:
        end(process)
    assert procfs.descendants(process.pid, zombies=True) == []


def test_thread_lists_its_own_children():
    """The children of a thread are those that it started itself."""
    found = []

    def work():
        with subprocess.Popen(["sleep", "600"]) as process:
            mine = procfs.children(os.getpid(), threading.get_native_id())
            found.append((process.pid, mine, procfs.children(os.getpid(), os.getpid())))
            process.kill()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    pid, mine, others = found[0]
    assert mine == [pid] and pid not in others


def test_thread_cpu_time_is_counted():
    """By the kernel, at each of its ticks at the latest: that isn't more than the thread itself measures, but for a tick."""
    own, before = procfs.SchedStat(), time.thread_time()
    first = own.read()
    while own.read()[0] < first[0] + 0.05:
        pass
    assert time.thread_time() - before > 0.03
    cpu, waited = procfs.thread_times(os.getpid(), threading.get_native_id())
    assert cpu >= first[0] + 0.05 and waited >= first[1]
    assert procfs.OwnSchedStat().read() >= (cpu, 0.0)
    own.close()


def test_run_queue_delay_is_counted():
    """Two threads of a process that may use one CPU wait for each other: the kernel counts that, and the slices."""
    process, _ = started_by(
        "import os, threading, time\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "if os.fork() == 0:\n"
        "    print(flush=True)\n"
        "    while True: pass\n"
        "while True: pass\n"
    )
    try:
        counts = procfs.SchedStat(process.pid)
        cpu, waited, slices = counts.read()
        until(lambda: counts.read()[1] > waited + 0.05)
        assert counts.read()[0] > cpu and counts.read()[2] > slices
        assert procfs.thread_times(process.pid) >= (cpu, waited)
    finally:
        end(process)
        counts.close()


def test_memory_is_measured():
    """A fork's shared memory counts fully in the fast measurement, and in proportion in the exact one."""
    size = 64 << 20
    process, child = started_by(
        f"import os, time\ndata = b'x' * {size}\n"
        "child = os.fork()\n"
        "if child: print(child, flush=True)\n"
        "time.sleep(600)\n"
    )
    try:
        assert procfs.own_memory(process.pid) > size and procfs.own_memory(int(child)) > size
        both = procfs.proportional_memory(process.pid), procfs.proportional_memory(int(child))
        assert min(both) > size / 2 and sum(both) < 2 * size
    finally:
        end(process)


def test_memory_outlives_first_thread():
    """Linux reports no memory, no mappings and no open files of a process whose first thread has ended, while others go on."""
    size = 64 << 20
    process, _ = started_by(
        f"import ctypes, threading, time\ndata = b'x' * {size}\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "print('ready', flush=True)\nctypes.CDLL(None).pthread_exit(None)\n"
    )
    try:
        until(lambda: procfs._stat(process.pid)[0] == procfs.ZOMBIE)
        assert min(procfs.own_memory(process.pid), procfs.proportional_memory(process.pid)) > size
        assert procfs.kernel_memory(process.pid) > 64 * procfs.PIPE_BYTES
        assert procfs.process_times(process.pid)[0] == procfs.RUNNING
    finally:
        end(process)


def test_unreadable_threads_count_most(monkeypatch):
    """A process whose threads end faster than they can be read has too much memory, and one that is just ending has none."""
    monkeypatch.setattr(procfs, "_is_ending", lambda thread: True)
    started = iter(range(10**6))
    monkeypatch.setattr(procfs, "thread_ids", lambda pid: [pid, next(started)])
    assert procfs.own_memory(os.getpid()) == procfs.HIDDEN_BYTES
    monkeypatch.setattr(procfs, "thread_ids", lambda pid: [pid, pid + 1])
    assert procfs.own_memory(os.getpid()) == 0


def test_threads_are_listed():
    assert threading.get_native_id() in procfs.thread_ids(os.getpid())
    assert procfs.inner_thread_ids(os.getpid())[int(os.readlink("/proc/thread-self").rpartition("/")[2])]


def test_no_process_is_nothing():
    assert procfs.process_times(NO_PROCESS) == (None, None)
    assert procfs.parent(NO_PROCESS) is None
    assert procfs.children(NO_PROCESS) == procfs.descendants(NO_PROCESS) == []
    assert procfs.own_memory(NO_PROCESS) == procfs.proportional_memory(NO_PROCESS) == 0
    for read in (procfs.thread_ids, procfs.thread_times, procfs.SchedStat, procfs.SyscallFile):
        with pytest.raises(OSError):
            read(NO_PROCESS)


def test_nothing_else_reads_proc():
    """Three readers of the same file differed in which processes they left out.  (freeloop is a project of its own.)"""
    read = re.compile(r"""["'](/proc/(\{|self/task|thread-self|net/|stat|pressure)|/proc/["'])""")
    files = [file for file in (paths.ROOT / "autograder").rglob("*.py") if not file.is_relative_to(paths.TAKEHOME)]
    found = {file.name for file in files if read.search(file.read_text(encoding="utf-8"))}
    assert found == {"procfs.py", "supervisor.py"}, "the supervisor only asks whether there is a /proc"
