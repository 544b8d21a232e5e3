"""What the load generator saw of the served process: samples of the loop thread, decoded once, with named fields."""

from __future__ import annotations

import platform
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.programs.messages.races import PAGE_FAULT, RUNNING

if TYPE_CHECKING:
    from autograder.lab.race import Race

# ... and of those in which asyncio's selector, or libuv, waits for work: epoll_wait and its kin.
POLL_SYSCALLS = {"x86_64": {"232", "281", "441"}, "aarch64": {"22", "441"}}.get(platform.machine())


@dataclass(frozen=True)
class ThreadSample:
    """One sample of the loop thread, times in seconds since the race began.

    ``workers`` and ``watchers`` map the ids of other threads, the app's and ours, to their (CPU seconds, run-queue seconds).
    """

    time: float
    cpu: float
    waited: float
    slices: int
    call: str
    workers: dict[int, tuple[float, ...]]
    watchers: dict[int, tuple[float, ...]]
    racer: float
    children: dict[str, float] | None = (
        None  # run-queue seconds of each child process, if the loop thread sleeps in `read`, or just did
    )
    paging: bool = False  # it slept until the kernel had brought a page of memory


def decode_samples(race: Race) -> list[ThreadSample]:
    """The samples of a race; what the load generator leaves out of one has not changed."""
    found, workers, watchers = [], {}, {}  # type: ignore[var-annotated]
    for sample in race.samples:
        fresh = {int(tid): tuple(spent) for tid, spent in sample.others.items()}
        if fresh:
            ours = fresh.keys() & set(race.watchers)
            watchers = watchers | {tid: fresh[tid] for tid in ours}
            workers = workers | {tid: fresh[tid] for tid in fresh.keys() - ours}
        # a page fault is no wait of the app's choosing: such a thread counts as one that runs, and the time is excused
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
    """The last sample before an interval and the first after it; (None, None) if there are no samples."""
    near = samples_near(samples, start, end)
    return (near[0], near[-1]) if near else (None, None)


def samples_near(samples: list[ThreadSample], start: float, end: float) -> list[ThreadSample]:
    """The samples inside an interval, with the last before it and the first after it."""
    first = max(bisect_right(samples, start, key=lambda sample: sample.time) - 1, 0)
    last = bisect_left(samples, end, key=lambda sample: sample.time)
    return samples[first : max(first, last) + 1]


def loop_cpu_s(samples: list[ThreadSample], start: float, end: float) -> float:
    """CPU seconds that the loop thread has certainly spent between two moments, from the samples inside the interval."""
    first = bisect_left(samples, start, key=lambda sample: sample.time)
    last = bisect_right(samples, end, key=lambda sample: sample.time) - 1
    return samples[last].cpu - samples[first].cpu if first < last else 0.0


def thread_times_between(
    before: dict[int, tuple[float, ...]], tid: int, after: dict[int, tuple[float, ...]]
) -> tuple[float, float]:
    """(CPU, run-queue) seconds that a thread has spent between two samples."""
    cpu, waited = before.get(tid, (0.0, 0.0))
    return after[tid][0] - cpu, after[tid][1] - waited


def other_threads_cpu_s(first: ThreadSample, last: ThreadSample) -> float:
    """CPU seconds that the app's other threads have spent between two samples."""
    if first.workers is last.workers:
        return 0.0
    return sum(thread_times_between(first.workers, tid, last.workers)[0] for tid in last.workers)


def cpu_of_other_threads_s(samples: list[ThreadSample], start: float, end: float) -> float:
    """CPU seconds of the app's other threads between two moments, if the loop computed for less than half of the time."""
    first, last = samples_around(samples, start, end)
    return (
        other_threads_cpu_s(first, last)
        if first and last and loop_cpu_s(samples, start, end) < (end - start) / 2
        else 0.0
    )


def poller(samples: list[ThreadSample]) -> str | None:
    """The system call in which the loop waits for work: the one that it spent most time in; None if no sample shows one."""
    calls: Counter[str] = Counter()
    for sample, after in zip(samples, [*samples[1:], *samples[-1:]], strict=True):
        if sample.call != "running" and (POLL_SYSCALLS is None or sample.call.split(" ")[0] in POLL_SYSCALLS):
            calls[sample.call] += after.time - sample.time  # type: ignore[assignment]  # seconds
    return calls.most_common(1)[0][0] if calls else None
