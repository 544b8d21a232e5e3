"""Delays that the machine caused and not the app: run-queue delay, vfork, page faults, and the exec pipe of a child process.

The kernel counts each thread's run-queue delay. What remains of a delay after subtracting it wasn't caused by other
processes. An excuse is measured between the samples around an interval, so it's never too small.
"""

from __future__ import annotations

import itertools
import platform
from typing import TYPE_CHECKING

from autograder.judge.evidence.samples import samples_around, samples_near, thread_times_between

if TYPE_CHECKING:
    from autograder.judge.evidence.samples import ThreadSample
    from autograder.lab.race import Race

MIN_CANARIES = 5  # canaries that a loop must answer to count as alive
# Numbers of the system calls that start a process. With vfork, which `subprocess` and asyncio use, the caller sleeps until
# the child has had a CPU and has called exec. A correct app can't avoid that.
SPAWN_SYSCALLS = {"x86_64": {"56", "57", "58", "435"}, "aarch64": {"220", "435"}}.get(platform.machine(), set())


def cpu_wait_s(samples: list[ThreadSample], start: float, end: float, watching: bool = True) -> float:
    """Return for how many seconds of an interval the loop thread, another thread or the load generator waited for a CPU.

    It's measured between the samples around the interval, so it's never too small. The app process also runs the watchdog's
    thread, which wakes two hundred times a second and is always waiting for a CPU on a busy machine. That thread may hold
    the GIL and delay the loop for a moment, but not for a whole request: without ``watching``, its time is left out.
    """
    first, last = samples_around(samples, start, end)
    if first is None or last is None:
        return 0.0
    queue = (
        (last.waited - first.waited)
        + (last.load_generator - first.load_generator)
        + other_threads_cpu_wait_s(first, last, watching)
    )
    own = vfork_wait_s(samples, start, end) + page_fault_wait_s(samples, start, end)
    return queue + own + exec_pipe_wait_s(samples_near(samples, start, end))


def vfork_wait_s(samples: list[ThreadSample], start: float, end: float) -> float:
    """Return for how many seconds of an interval the loop thread may have waited in vfork for its child to get a CPU.

    It's measured from the sample before the one that shows it to the sample after, so it's never too small.
    """
    near = samples_near(samples, start, end)
    return sum(b.time - a.time for a, b in itertools.pairwise(near) if is_spawning(a) or is_spawning(b))


def page_fault_wait_s(samples: list[ThreadSample], start: float, end: float) -> float:
    """Return for how many seconds of an interval the loop thread may have waited for a page of memory.

    It's measured from the sample before the one that shows it to the sample after, so it's never too small. A machine that
    is short of memory evicts a process's pages and reads them back on access; the app can do nothing about it.
    """
    near = samples_near(samples, start, end)
    return sum(b.time - a.time for a, b in itertools.pairwise(near) if a.paging or b.paging)


def exec_pipe_wait_s(samples: list[ThreadSample]) -> float:
    """Return for how many seconds the newest child waited for a CPU while the loop thread slept in ``read`` or waited for a lock.

    `subprocess` reads from a pipe on which the child would report that exec failed. With vfork, the parent continues before
    the child has closed its end of that pipe, so the read lasts until the child has had a CPU once more. Only the newest
    child can hold the pipe, so other children that wait for a CPU excuse nothing. Neither does time that the child sleeps
    before exec, in a ``preexec_fn``: that is the app's own. If another thread starts the child, it holds the GIL until the child
    has had a CPU, and the loop thread waits for the GIL.
    """
    waited = 0.0
    for before, after in itertools.pairwise(samples):
        if before.children is not None and after.children:
            newest = next(reversed(after.children))  # Linux lists children in the order in which they were started
            waited += after.children[newest] - before.children.get(newest, 0.0)
    return waited


def unobserved_spawn_wait_s(samples: list[ThreadSample], start: float, end: float) -> float:
    """Return for how many seconds of an interval the loop may have waited for a new process while no sample was taken.

    These are the times in which the load generator, which takes the samples, waited for a CPU itself. 0.0 if no sample shows
    the loop starting a process, or children of the app.
    """
    near = samples_near(samples, start, end)
    if not any(is_spawning(sample) or sample.children for sample in samples):
        return 0.0
    return sum(
        b.load_generator - a.load_generator
        for a, b in itertools.pairwise(near)
        if not (is_spawning(a) or is_spawning(b))
    )


def is_spawning(sample: ThreadSample) -> bool:
    """Return True if the sample shows the loop thread in a system call that starts a process."""
    return sample.call.split(" ")[0] in SPAWN_SYSCALLS


def other_threads_cpu_wait_s(first: ThreadSample, last: ThreadSample, watching: bool = True) -> float:
    """Return the longest time, in seconds, that any one other thread waited for a CPU.

    It isn't the sum: many computing threads are always waiting for a CPU, and together they would excuse everything.
    With ``watching``, the waits of our own threads in the app process are added.
    """
    worker = max((thread_times_between(first.workers, tid, last.workers)[1] for tid in last.workers), default=0.0)
    watcher = sum(thread_times_between(first.watchers, tid, last.watchers)[1] for tid in last.watchers)
    return worker + (watcher if watching else 0.0)


def reply_delay_excuse_s(race: Race, samples: list[ThreadSample], start: float, end: float) -> float:
    """Return by how many seconds a busy machine may have delayed a response that was due at ``start`` and came at ``end``.

    Canaries are a clock that slows down with the app: a loop that has answered several of them since ``start`` has also
    had an iteration for everything else that was due. Then only a worker thread can have waited for a CPU.
    """
    ticks = sum(c.answered and c.start >= start and c.ended_at <= end for c in race.canaries)
    if ticks < MIN_CANARIES:
        return cpu_wait_s(samples, start, end, watching=False)
    first, last = samples_around(samples, start, end)
    return other_threads_cpu_wait_s(first, last, watching=False) if first and last else 0.0
