"""Samples of the served process's loop thread, taken by the load generator and decoded into named fields."""

from __future__ import annotations

import platform
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.programs.messages.races import PAGE_FAULT, RUNNING

if TYPE_CHECKING:
    from autograder.lab.race import Race

# Numbers of the system calls in which asyncio's selector, or libuv, waits for work: epoll_wait and its variants.
POLL_SYSCALLS = {"x86_64": {"232", "281", "441"}, "aarch64": {"22", "441"}}.get(platform.machine())


@dataclass(frozen=True)
class ThreadSample:
    """One sample of the loop thread, times in seconds since the race began.

    ``workers`` and ``watchers`` map the ids of the app's other threads and of our threads to (CPU seconds, run-queue seconds).
    """

    time: float
    cpu: float
    waited: float
    slices: int
    call: str
    workers: dict[int, tuple[float, ...]]
    watchers: dict[int, tuple[float, ...]]
    load_generator: float
    # run-queue seconds of each child process, if the loop thread is in `read` or waits for a lock, or just did
    children: dict[str, float] | None = None
    paging: bool = False  # the thread slept until the kernel had read a page of memory


def decode_samples(race: Race) -> list[ThreadSample]:
    """Return the samples of a race. A value that the load generator leaves out of a sample hasn't changed."""
    found: list[ThreadSample] = []
    workers: dict[int, tuple[float, ...]] = {}
    watchers: dict[int, tuple[float, ...]] = {}
    for sample in race.samples:
        fresh = {int(tid): tuple(spent) for tid, spent in sample.others.items()}
        if fresh:
            ours = fresh.keys() & set(race.watchers)
            watchers = watchers | {tid: fresh[tid] for tid in ours}
            workers = workers | {tid: fresh[tid] for tid in fresh.keys() - ours}
        # the app doesn't choose to wait for a page: such a thread counts as running, and the time is excused
        call = RUNNING if sample.state == PAGE_FAULT else sample.call
        found.append(
            ThreadSample(
                sample.time - race.began_at,
                sample.cpu,
                sample.waited,
                sample.slices,
                call,
                workers,
                watchers,
                sample.generator_waited,
                sample.children,
                paging=sample.state == PAGE_FAULT,
            )
        )
    return found


def samples_around(
    samples: list[ThreadSample], start: float, end: float
) -> tuple[ThreadSample, ThreadSample] | tuple[None, None]:
    """Return the last sample before an interval and the first after it; (None, None) if there are no samples."""
    near = samples_near(samples, start, end)
    return (near[0], near[-1]) if near else (None, None)


def samples_near(samples: list[ThreadSample], start: float, end: float) -> list[ThreadSample]:
    """Return the samples inside an interval, with the last before it and the first after it."""
    first = max(bisect_right(samples, start, key=lambda sample: sample.time) - 1, 0)
    last = bisect_left(samples, end, key=lambda sample: sample.time)
    return samples[first : max(first, last) + 1]


def loop_cpu_s(samples: list[ThreadSample], start: float, end: float) -> float:
    """Return the CPU seconds that the loop thread has certainly spent in an interval, from the samples inside it."""
    first = bisect_left(samples, start, key=lambda sample: sample.time)
    last = bisect_right(samples, end, key=lambda sample: sample.time) - 1
    return samples[last].cpu - samples[first].cpu if first < last else 0.0


def thread_times_between(
    before: dict[int, tuple[float, ...]], tid: int, after: dict[int, tuple[float, ...]]
) -> tuple[float, float]:
    """Return the (CPU, run-queue) seconds that a thread has spent between two samples."""
    cpu, waited = before.get(tid, (0.0, 0.0))
    return after[tid][0] - cpu, after[tid][1] - waited


def other_threads_cpu_s(first: ThreadSample, last: ThreadSample) -> float:
    """Return the CPU seconds that the app's other threads have spent between two samples."""
    if first.workers is last.workers:
        return 0.0
    return sum(thread_times_between(first.workers, tid, last.workers)[0] for tid in last.workers)


def cpu_of_other_threads_s(samples: list[ThreadSample], start: float, end: float) -> float:
    """Return the CPU seconds of the app's other threads in an interval, if the loop computed for less than half of it; else 0.0."""
    first, last = samples_around(samples, start, end)
    return (
        other_threads_cpu_s(first, last)
        if first and last and loop_cpu_s(samples, start, end) < (end - start) / 2
        else 0.0
    )


def poller(samples: list[ThreadSample]) -> str | None:
    """Return the system call in which the loop waits for work (the one it spent most time in); None if no sample shows one."""
    seconds: dict[str, float] = {}
    for sample, after in zip(samples, [*samples[1:], *samples[-1:]], strict=True):
        if sample.call != "running" and (POLL_SYSCALLS is None or sample.call.split(" ")[0] in POLL_SYSCALLS):
            seconds[sample.call] = seconds.get(sample.call, 0.0) + after.time - sample.time
    return max(seconds, key=lambda call: seconds[call], default=None)
