"""Time that was the machine's doing and not the app's: run-queue delay, vfork, and the pipe over which a child reports its exec.

Time in the queue for a CPU is counted by the kernel for each thread.  What remains of a delay when that is taken away
was not caused by other processes.  An excuse is taken from the samples around an interval, so it is never too small."""

from __future__ import annotations

import itertools
import platform
from typing import TYPE_CHECKING

from autograder.judge.evidence.samples import samples_around, samples_near, thread_times_between

if TYPE_CHECKING:
    from autograder.judge.evidence.samples import ThreadSample
    from autograder.lab.race import Race

MIN_CANARIES = 5  # canaries that a loop has answered before it counts as alive
# Numbers of the system calls that start a process.  With vfork, which Python uses, the caller sleeps until the child has
# had a CPU and has become its program: asyncio's own way to start one does so, and no honest app can help it.
SPAWN_SYSCALLS = {"x86_64": {"56", "57", "58", "435"}, "aarch64": {"220", "435"}}.get(platform.machine(), set())


def cpu_wait_s(samples: list[ThreadSample], start: float, end: float, watching: bool = True) -> float:
    """Seconds between two moments in which the loop thread, another thread or the load generator waited for a CPU.

    It is taken from the samples around the interval, so it is never too small.  The app process has a sampling thread of
    ours that wakes two hundred times a second, and on a busy machine waits for a CPU all the time.  That thread may own the
    GIL and delay the loop for a moment, but not for a whole request: without ``watching`` its time is left out.
    """
    first, last = samples_around(samples, start, end)
    if first is None or last is None:
        return 0.0
    queue = (last.waited - first.waited) + (last.racer - first.racer) + other_threads_cpu_wait_s(first, last, watching)
    own = vfork_wait_s(samples, start, end) + page_fault_wait_s(samples, start, end)
    return queue + own + exec_pipe_wait_s(samples_near(samples, start, end))


def vfork_wait_s(samples: list[ThreadSample], start: float, end: float) -> float:
    """Seconds between two moments in which the loop thread may have slept until a child that it had started got a CPU.

    It is measured from the sample before the loop was seen so to the sample after, so it is never too small.
    """
    near = samples_near(samples, start, end)
    return sum(b.time - a.time for a, b in itertools.pairwise(near) if is_spawning(a) or is_spawning(b))


def page_fault_wait_s(samples: list[ThreadSample], start: float, end: float) -> float:
    """Return the seconds between two moments in which the loop thread may have waited for a page of memory.

    From the sample before it was found so to the sample after: so it is never too small.  In a machine that is short of memory
    code and data are taken from a process and read back when it needs them; the app can do nothing about it.
    """
    near = samples_near(samples, start, end)
    return sum(b.time - a.time for a, b in itertools.pairwise(near) if a.paging or b.paging)


def exec_pipe_wait_s(samples: list[ThreadSample]) -> float:
    """Seconds in which the newest child of a loop thread that slept in ``read`` waited for a CPU, as the samples show.

    The child that was started with vfork lets its parent go before it has closed its end of the pipe over which it tells that
    it could not become its program: `subprocess` reads there, and waits until the child has had a CPU once more.
    Only the child that was started last can hold that pipe.  What it sleeps before it becomes its program (a ``preexec_fn``)
    is the app's doing, and other children that wait for a CPU are no excuse.
    """
    waited = 0.0
    for before, after in itertools.pairwise(samples):
        if before.children is not None and after.children:
            newest = next(reversed(after.children))  # Linux lists them as they were started
            waited += after.children[newest] - before.children.get(newest, 0.0)
    return waited


def unobserved_spawn_wait_s(samples: list[ThreadSample], start: float, end: float) -> float:
    """Seconds between two moments in which a loop may have waited for a new process while no sample was taken.

    The load generator, which takes the samples, was then waiting for a CPU itself.  0.0 if no sample shows the loop
    starting a process.
    """
    near = samples_near(samples, start, end)
    if not any(map(is_spawning, samples)):
        return 0.0
    return sum(b.racer - a.racer for a, b in itertools.pairwise(near) if not (is_spawning(a) or is_spawning(b)))


def is_spawning(sample: ThreadSample) -> bool:
    """True if the loop thread was seen in a system call that starts a process."""
    return sample.call.split(" ")[0] in SPAWN_SYSCALLS


def other_threads_cpu_wait_s(first: ThreadSample, last: ThreadSample, watching: bool = True) -> float:
    """The longest time, in seconds, that one other thread waited for a CPU.

    Not the sum: many threads that compute wait for a CPU all the time, and together they would excuse everything.
    With ``watching``, the waits of our own threads in the app process are added.
    """
    worker = max((thread_times_between(first.workers, tid, last.workers)[1] for tid in last.workers), default=0.0)
    watcher = sum(thread_times_between(first.watchers, tid, last.watchers)[1] for tid in last.watchers)
    return worker + (watcher if watching else 0.0)


def reply_delay_excuse_s(race: Race, samples: list[ThreadSample], start: float, end: float) -> float:
    """Seconds by which a busy machine may have delayed a response that was due at ``start`` and came at ``end``.

    Canaries are the ticks of a clock that slows down with the app: a loop that has answered several of them since ``start``
    has also had an iteration for everything else that was due.  Then only a worker thread can have waited for a CPU.
    """
    ticks = sum(c.answered and c.start >= start and c.ended_at <= end for c in race.canaries)
    if ticks < MIN_CANARIES:
        return cpu_wait_s(samples, start, end, watching=False)
    first, last = samples_around(samples, start, end)
    return other_threads_cpu_wait_s(first, last, watching=False) if first and last else 0.0
