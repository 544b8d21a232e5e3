"""CPU time that other threads of the app took from its loop by holding the GIL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograder.judge.evidence.samples import other_threads_cpu_s, samples_near

if TYPE_CHECKING:
    from autograder.judge.evidence.samples import ThreadSample

STALL_MIN_S = 0.020  # s of attributed standstill: exercises block for more, honest apps were never seen at half of it
GIL_STARVATION_MIN_S = 0.020  # CPU s that other threads may spend while the loop waits for them to let go of the GIL
GIL_STARVATION_MIN_SHARE = (
    0.05  # of all their CPU time: beside threads that let go of the GIL it was never seen at a hundredth
)


def gil_wait_s(samples: list[ThreadSample], poll_call: str | None) -> tuple[float, float]:
    """(CPU seconds that other threads of the app spent while the loop wanted to run and could not, all that they spent).

    The loop thread then sleeps outside ``resting``, and wakes every few milliseconds to ask for the GIL: so its number
    of time slices grows.  A call that waits for a thread sleeps in one piece, and is a stall of its own.
    """
    spent = lost = 0.0
    index = 0
    while index < len(samples):
        first = last = samples[index]
        while index + 1 < len(samples) and (samples[index + 1].slices, samples[index + 1].call) == (
            first.slices,
            first.call,
        ):
            index += 1
            last = samples[index]
        index += 1
        wanted = first.call not in ("running", poll_call)
        seconds = other_threads_cpu_s(first, last)
        spent += seconds
        if wanted and last.time - first.time < STALL_MIN_S:
            lost += min(seconds, last.time - first.time)
        if index < len(samples):
            after = samples[index]
            seconds = other_threads_cpu_s(last, after)
            spent += seconds
            # from asking for the GIL to standing in the queue for a CPU, or back: it asks five milliseconds at a time
            asks = wanted or after.call not in ("running", poll_call)
            if asks and poll_call not in (first.call, after.call):
                lost += min(seconds, after.time - last.time)
    return lost, spent


def gil_starvation_s(samples: list[ThreadSample], poll_call: str | None) -> float:
    """CPU seconds that other threads took from the loop by holding the GIL; 0.0 where it is no more than usual."""
    if poll_call is None:
        return 0.0
    lost, spent = gil_wait_s(samples, poll_call)
    return lost if lost >= GIL_STARVATION_MIN_S and lost >= GIL_STARVATION_MIN_SHARE * spent else 0.0


def gil_held_between(
    samples: list[ThreadSample], poll_call: str | None, start: float, end: float, seconds: float
) -> bool:
    """True if most of a stall of so many attributed seconds is another thread's computing."""
    if poll_call is None or not samples:
        return False
    return gil_wait_s(samples_near(samples, start, end), poll_call)[0] >= seconds / 2
